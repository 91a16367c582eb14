import { handshake, pollUrl, request } from './http';

/** The URL of a port, of each of several in turn. */
export const inTurn = (ports: readonly number[]): () => string => {
  let turn = 0;
  return () => `http://127.0.0.1:${ports[turn++ % ports.length]}`;
};

/** A session by polling of a client that keeps no cookies: sends each request on a connection of its own. */
export class Session {
  readonly #url: () => string;
  sid = '';

  constructor(url: () => string, sid = '') {
    this.#url = url;
    this.sid = sid;
  }

  /** Whether all requests of a session find it: a handshake where it has no sid yet, an event and its acknowledgement. */
  async works(): Promise<boolean> {
    if (this.sid === '') this.sid = await handshake(this.#url());
    for (const [sent, received] of [['40', /^40\{"sid":/], ['420["echo","é"]', /^430\["é"\]$/]] as const) {
      const post = await request(pollUrl(this.#url(), this.sid), { method: 'POST', body: sent });
      if (post.status !== 200) return this.#unknown(post);
      const poll = await request(pollUrl(this.#url(), this.sid));
      if (poll.status !== 200) return this.#unknown(poll);
      expect(poll.body).toMatch(received);
    }
    return true;
  }

  #unknown({ status, body }: { status: number; body: string }): false {
    expect([status, body]).toEqual([400, '{"code":1,"message":"Session ID unknown"}']);
    return false;
  }
}

/** How many of twenty sessions work, one after the other. */
export async function working(ports: readonly number[]): Promise<number> {
  const url = inTurn(ports);
  let count = 0;
  for (let i = 0; i < 20; i += 1) if (await new Session(url).works()) count += 1;
  return count;
}
