/**
 * The child's side of `processes.mjs`: answers calls over IPC with what the methods return, and ends with its parent.
 */
export function serve(methods) {
  const all = { usage, memory, pid: () => process.pid, version: () => `Node.js ${process.versions.node}`, ...methods };
  process.on('message', ({ id, method, args }) => {
    Promise.resolve()
      .then(() => all[method](...args))
      .then((result) => reply({ id, result }), (error) => reply({ id, error: String(error?.stack ?? error) }));
  });
  process.on('disconnect', () => process.exit());
  // Ctrl-C reaches the whole group of processes: the parent ends this one in good order.
  process.on('SIGINT', () => {});
  // A worker of a cluster loses what it is sent before it listens.
  reply({ ready: true });
}

function reply(message) {
  if (process.connected) process.send(message);
}

/** CPU time that this process has used, in µs. */
function usage() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** What this process holds, in bytes, once the garbage is gone. */
async function memory() {
  for (let i = 0; i < 4; i += 1) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, held: heapUsed + external };
}
