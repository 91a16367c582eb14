import { createProxyMiddleware } from 'http-proxy-middleware';
import { servePlain } from './plain-server.mjs';

servePlain((agent) => {
  // The target is an option of the middleware's own: one for each host.
  const forwarders = new Map();
  return (req, res, target) => {
    let forward = forwarders.get(target);
    if (!forward) forwarders.set(target, forward = createProxyMiddleware({ target, agent, on: { error: () => res.destroy() } }));
    void forward(req, res, () => res.destroy());
  };
});
