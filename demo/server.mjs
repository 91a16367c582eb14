// A Socket.IO server that says which host it is. Takes the port as its argument, and sends its host to the parent.
import { createServer } from 'node:http';
import { Server } from 'socket.io';

// Ctrl-C reaches every process of the terminal. The parent ends this one when the proxy is closed.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
// The parent may have gone while this was loading.
if (!process.connected) process.exit();

const http = createServer();
const io = new Server(http, { serveClient: false });

http.on('error', (error) => {
  console.error(error.message);
  process.exit(1);
});
http.listen(Number(process.argv[2]), '127.0.0.1', () => {
  const host = `127.0.0.1:${http.address().port}`;
  io.on('connection', (socket) => socket.on('host', (answer) => answer(host)));
  // An error means that the parent has gone, which `disconnect` tells as well.
  process.send(host, () => {});
});
