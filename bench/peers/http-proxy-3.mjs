import httpProxy from 'http-proxy-3';
import { servePlain } from './plain-server.mjs';

servePlain((agent) => {
  const proxy = httpProxy.createProxyServer({ agent });
  proxy.on('error', (error, req, res) => res.destroy());
  return (req, res, target) => proxy.web(req, res, { target });
});
