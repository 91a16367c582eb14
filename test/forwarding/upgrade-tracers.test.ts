import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { WebSocket, WebSocketServer } from 'ws';
import { onCleanup } from '../support/cleanup';
import { startServer } from '../support/http';
import { startProxy } from '../support/proxy';
import { startTlsServer } from '../support/tls';

type Request = (options: http.RequestOptions) => http.ClientRequest;

/** As OpenTelemetry does it: the headers are copied into an object, also those that are a list. */
function trace(module: { request: Request }): jest.SpyInstance {
  const { request } = module;
  const spy = jest.spyOn(module, 'request').mockImplementation(({ headers, ...options }) =>
    request({ ...options, headers: { ...headers as http.OutgoingHttpHeaders, traceparent: 'of the tracer' } }));
  onCleanup(() => spy.mockRestore());
  return spy;
}

it.each(['http', 'https'])('passes an upgrade on as it came while a tracer replaces the functions of Node: to %s', async (scheme) => {
  const { server, name } = await (scheme === 'http' ? startServer : startTlsServer)((_, res) => res.end());
  const traceparents: unknown[] = [];
  new WebSocketServer({ server }).on('connection', (socket, { headers: { traceparent } }) => {
    traceparents.push(traceparent);
    socket.on('message', (data) => socket.send(data));
  });
  const { url } = await startProxy({ hosts: [name], hostTls: { rejectUnauthorized: false } });
  const spies = [trace(http), trace(https)];
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, {
    finishRequest: (req) => {
      // So far it is the client's own request that was traced.
      spies.forEach((spy) => spy.mockClear());
      req.setHeader('traceparent', 'of the client');
      req.end();
    },
  });
  onCleanup(() => socket.terminate());
  await once(socket, 'open');
  socket.send('hello');
  const [data] = await once(socket, 'message') as [Buffer];
  expect(data.toString()).toBe('hello');
  expect(traceparents).toEqual(['of the client']);
  for (const spy of spies) expect(spy).not.toHaveBeenCalled();
});
