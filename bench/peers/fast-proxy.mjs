// fast-proxy with its agent of `node:http`, which keeps connections, as its documents advise.
import fastProxy from 'fast-proxy';
import { servePlain } from './plain-server.mjs';

servePlain(() => {
  const { proxy } = fastProxy({ base: 'http://127.0.0.1' });
  return (req, res, base) => proxy(req, res, req.url, { base });
});
