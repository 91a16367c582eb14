import { createProxyServer } from 'httpxy';
import { servePlain } from './plain-server.mjs';

servePlain((agent) => {
  const proxy = createProxyServer({ agent });
  return (req, res, target) => void proxy.web(req, res, { target }).catch(() => res.destroy());
});
