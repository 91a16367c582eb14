// A Socket.IO server that hands its clients' state to the next one: connection state recovery on Redis Streams.
import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-streams-adapter';
import { createClient } from 'redis';
import { Server } from 'socket.io';

const { PORT = '3000', REDIS_URL = 'redis://localhost:6379' } = process.env;

/** How long closing may take, in ms. */
const CLOSE_TIMEOUT = 10_000;

const redisClient = createClient({ url: REDIS_URL });
redisClient.on('error', (error) => console.error(`Redis: ${error.message || error.code}`));
await redisClient.connect();

const server = createServer();
// Longer than a load balancer keeps idle connections: Node.js's own default is 5 s. The proxy reuses them for longer too.
server.keepAliveTimeout = 75_000;
const io = new Server(server, {
  // Keeps the last 10,000 packets, of which a client that comes back gets those that it has missed.
  adapter: createAdapter(redisClient, { maxLen: 10_000 }),
  // For how long a client may be away.
  connectionStateRecovery: { maxDisconnectionDuration: 120_000 },
});

io.on('connection', (socket) => {
  console.log(`${socket.id} ${socket.recovered ? 'is back' : 'is new'}`);
  // What happens once, when a client is new: its rooms and data come back with it.
  if (!socket.recovered) socket.join('everyone');
  socket.on('say', (text) => io.to('everyone').emit('said', text));
  socket.on('disconnect', (reason) => console.log(`${socket.id} has gone: ${reason}`));
});

server.listen(Number(PORT), () => console.log(`listening on port ${server.address().port}`));

async function close() {
  // A connection that does not end must not keep the process from ending.
  setTimeout(() => process.exit(1), CLOSE_TIMEOUT).unref();
  // Stores the state of each client, cuts it off, and lets it find another server.
  await io.close();
  // Waits for what was written.
  await redisClient.close();
  // The adapter's own connection may still wait for packets.
  process.exit(0);
}

for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => void close());
