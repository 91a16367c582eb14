// Bare http-proxy with a keep-alive agent: what forwarding costs without any choice of a host.
import httpProxy from 'http-proxy';
import { servePlain } from './plain-server.mjs';

servePlain((agent) => {
  const proxy = httpProxy.createProxyServer({ agent });
  proxy.on('error', (error, req, res) => res.destroy());
  return (req, res, target) => proxy.web(req, res, { target });
});
