/** Calls a method of a cluster's worker that runs `serve.mjs`, or answers as it does. */
export function callWorker(worker, method, ...args) {
  const id = nextId += 1;
  return new Promise((resolve, reject) => {
    // One listener until the answer is there: between two, messages that come at once would be lost.
    const onMessage = (answer) => {
      if (answer.id !== id) return;
      worker.off('message', onMessage);
      if (answer.error === undefined) resolve(answer.result);
      else reject(new Error(answer.error));
    };
    worker.on('message', onMessage);
    worker.send({ id, method, args });
  });
}

/** The CPU time of this process, and of each that `everyone` calls, in µs; and their sum. */
export function usageOf(everyone) {
  const usages = async () => {
    const { user, system } = process.cpuUsage();
    return [user + system, ...await everyone('usage')];
  };
  return { usages, usage: async () => (await usages()).reduce((sum, one) => sum + one) };
}

let nextId = 0;
