// What http-proxy costs as the frame: its own passes around ours, with nothing behind them.
import httpProxy from 'http-proxy';
import { serve } from './serve.mjs';

const req = { method: 'POST', url: '/socket.io/?EIO=4&transport=polling&sid=a', headers: { host: 'localhost' } };
const res = {};

serve({
  /** CPU time of one call, in µs. */
  measure(calls) {
    const frame = httpProxy.createProxyServer({ target: new URL('http://localhost') });
    let done = 0;
    const run = () => done += 1;
    frame.before('web', 'stream', (_req, _res, _options, _head, _frame, callback) => {
      callback();
      return true;
    });
    const before = process.cpuUsage();
    for (let i = 0; i < calls; i += 1) frame.web(req, res, run);
    const { user, system } = process.cpuUsage(before);
    if (done !== calls) throw new Error('http-proxy has not called every pass');
    return (user + system) / calls;
  },
});
