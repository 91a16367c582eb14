import { startDeadline } from '../base/deadline';

/** The pause between two questions whether the connection lives, in ms. */
const INTERVAL = 5000;

/** How long the answer may take, in ms. A Redis that is only slow has answered by then. */
export const PING_TIMEOUT = 10_000;

/** A client of the package `redis`, for one server. */
export interface WatchedClient {
  readonly isReady: boolean;
  /** What it rejects with is an answer, too. */
  ping(): Promise<unknown>;
  destroy(): void;
  connect(): Promise<unknown>;
}

/**
 * Lets a client connect anew where its connection is dead and nobody says so: a network may swallow all bytes for ever,
 * for example a firewall that has forgotten the connection. TCP finds that out after a quarter of an hour, if at all.
 */
export function watchConnection(client: WatchedClient): void {
  let isAsking = false;
  setInterval(() => {
    if (isAsking || !client.isReady) return;
    isAsking = true;
    const cancel = startDeadline(PING_TIMEOUT, () => {
      client.destroy();
      client.connect().catch(() => {});
    });
    void client.ping().catch(() => {}).finally(() => {
      cancel();
      isAsking = false;
    });
  }, INTERVAL).unref();
}
