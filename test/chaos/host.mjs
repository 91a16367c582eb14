// A Socket.IO server with connection state recovery on Redis Streams, and one numbered message for every acknowledgement.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { serve, tell } from '../fixtures/serve.mjs';

const require = createRequire(import.meta.url);
const { createAdapter } = require('@socket.io/redis-streams-adapter');
const { createClient } = require('redis');
const { Server } = require('socket.io');

const http = createServer();
let io;

// A broadcast that fails while Redis is down rejects where nobody can catch it; the run goes on without that one.
process.on('unhandledRejection', () => {});

serve({
  async start({ redisUrl, port = 0 }) {
    const redisClient = createClient({ url: redisUrl, socket: { reconnectStrategy: 100 } });
    redisClient.on('error', () => {});
    await redisClient.connect();
    io = new Server(http, {
      adapter: createAdapter(redisClient),
      connectionStateRecovery: { maxDisconnectionDuration: 60_000, skipMiddlewares: true },
      pingInterval: 5000,
      pingTimeout: 10_000,
      serveClient: false,
    });
    io.on('connection', (socket) => {
      // Told before it is acknowledged: what was acknowledged must have been seen.
      socket.on('message', (client, number, ack) => {
        tell('seen', `${client}:${number}`);
        ack();
      });
    });
    return new Promise((resolve) => http.listen(port, '127.0.0.1', () => resolve(http.address().port)));
  },
  broadcast(number) {
    io.emit('news', number);
  },
  /** Whether a session is alive here. */
  has(sid) {
    return io.engine.clients[sid]?.readyState === 'open';
  },
});
