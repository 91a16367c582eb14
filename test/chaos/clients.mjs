// Socket.IO clients that send numbered messages, and tell what became of them.
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { serve, tell } from '../fixtures/serve.mjs';

const require = createRequire(import.meta.url);
const io = require('socket.io-client');

const ACK_TIMEOUT = 15_000;
const clients = new Set();

class Client {
  #socket;
  #name;
  #number = 0;
  #lastNews;
  /** The last broadcast before the connection was lost, until the first after it was recovered. */
  #gapFrom;
  /** Broadcasts that should have been recovered, and have not come. */
  #missing = new Set();
  #stopped = false;

  constructor(name, url, transports, pause) {
    this.#name = name;
    this.#socket = io(url, { transports, forceNew: true, reconnectionDelay: 200, reconnectionDelayMax: 1000 });
    this.#socket.on('connect', () => this.#connected());
    this.#socket.on('disconnect', () => {
      this.#gapFrom = this.#lastNews;
      tell('disconnect', name);
    });
    this.#socket.on('news', (number) => this.#news(number));
    void this.#talk(pause);
  }

  stop() {
    this.#stopped = true;
    this.#socket.disconnect();
  }

  get connected() {
    return this.#socket.connected;
  }

  #connected() {
    const { engine } = this.#socket.io;
    const { id: sid } = engine;
    const connectedAt = performance.now();
    engine.on('close', (_, details) => {
      // A poll that was answered with an error, and what it was answered with.
      if (typeof details?.description === 'number' && details.description >= 400) {
        const age = performance.now() - connectedAt;
        tell('refused', { sid, age, status: details.description, body: details.context?.responseText ?? '' });
      }
    });
    if (!this.#socket.recovered) this.#gapFrom = undefined;
    tell('connect', { name: this.#name, recovered: this.#socket.recovered });
  }

  #news(number) {
    tell('news', number);
    // What two hosts sent while Redis stood still may come in either order.
    if (this.#missing.delete(number)) tell('late', { name: this.#name, number });
    if (this.#gapFrom !== undefined) {
      const numbers = [];
      for (let missing = this.#gapFrom + 1; missing < number; missing += 1) numbers.push(missing);
      for (const missing of numbers) this.#missing.add(missing);
      tell('recovered', { name: this.#name, numbers });
      this.#gapFrom = undefined;
    }
    this.#lastNews = number;
  }

  async #talk(pause) {
    // Not all in step.
    await sleep(Math.random() * pause);
    while (!this.#stopped) {
      if (this.#socket.connected) this.#send();
      await sleep(pause);
    }
  }

  #send() {
    this.#number += 1;
    const number = this.#number;
    tell('sent');
    this.#socket.timeout(ACK_TIMEOUT).emit('message', this.#name, number, (error) => {
      if (!error) tell('acknowledged', `${this.#name}:${number}`);
    });
  }
}

serve({
  start(specifications) {
    for (const { name, url, transports, pause } of specifications) clients.add(new Client(name, url, transports, pause));
  },
  connected() {
    return [...clients].filter((client) => client.connected).length;
  },
  stop() {
    for (const client of clients) client.stop();
    clients.clear();
  },
});
