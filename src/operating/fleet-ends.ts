import createDebug from 'debug';
import { toError } from '../base/checks';
import { startDeadline } from '../base/deadline';
import { shownSid } from '../base/shown';
import type { Fleet } from '../fleet/fleet';
import { BRIEF } from '../fleet/registers';
import type { EndOutcome, SessionSource } from './operator';

const debug = createDebug('socket.io-proxy:fleet');

/** The register of a session that somebody wants to end: `end <sid>`. */
const PREFIX = BRIEF;

const WANTED = 'wanted';
const ENDED = 'ended';

/** How long the member that carries the session may take, in ms: its next beat comes within two seconds. */
const TIMEOUT = 6000;

/** How often to look meanwhile whether it has ended, in ms. */
const LOOK_INTERVAL = 250;

/** Ends sessions whose WebSocket goes through another member. */
export class FleetEnds {
  readonly #fleet: Fleet;
  readonly #sessions: SessionSource;
  /** Called when a session that is waited for has ended. */
  readonly #waiting = new Map<string, () => void>();
  /** What those are told who ask for the same session meanwhile. */
  readonly #ending = new Map<string, Promise<EndOutcome>>();

  constructor(fleet: Fleet, sessions: SessionSource) {
    this.#fleet = fleet;
    this.#sessions = sessions;
    fleet.on('changed', (names) => {
      for (const name of names) if (name.startsWith(PREFIX)) this.#apply(name);
    });
    fleet.on('beat', () => this.#clearOld());
  }

  /** Resolves with `'elsewhere'` if no member says in time that it has ended the session. Never rejects. */
  end(sid: string): Promise<EndOutcome> {
    let ending = this.#ending.get(sid);
    if (!ending) this.#ending.set(sid, ending = this.#end(sid).finally(() => this.#ending.delete(sid)));
    return ending;
  }

  async #end(sid: string): Promise<EndOutcome> {
    const name = PREFIX + sid;
    const looking = setInterval(() => void this.#fleet.beat(), LOOK_INTERVAL);
    const outcome = await new Promise<EndOutcome>((resolve) => {
      const cancel = startDeadline(TIMEOUT, () => resolve('elsewhere'));
      this.#waiting.set(name, () => {
        cancel();
        resolve('ended');
      });
      this.#fleet.write(name, WANTED);
    });
    clearInterval(looking);
    this.#waiting.delete(name);
    // That it has ended stays for a while, for others who wait. Another member may want it by now.
    if (outcome !== 'ended' && this.#fleet.get(name)?.by === this.#fleet.id) this.#fleet.write(name, null);
    return outcome;
  }

  #apply(name: string): void {
    const value = this.#fleet.read(name);
    const { at = 0 } = this.#fleet.get(name) ?? {};
    if (value === ENDED) this.#waiting.get(name)?.();
    // Another one has given up.
    else if (value === undefined && this.#waiting.has(name)) this.#fleet.write(name, WANTED);
    else if (value === WANTED && !this.#isOld(at)) void this.#endOwn(name);
  }

  /** Ends the session if its WebSocket goes through this proxy. Never rejects. */
  async #endOwn(name: string): Promise<void> {
    const sid = name.slice(PREFIX.length);
    try {
      const found = await this.#sessions.find(sid);
      // It may just have ended for another one who has asked.
      const isOver = found === 'ended';
      if (!isOver && (typeof found === 'string' || found.transport !== 'websocket')) return;
      if (isOver || await this.#sessions.end(sid) === 'ended') this.#fleet.write(name, ENDED);
    } catch (error) {
      debug('%s is not ended: %s', shownSid(sid), toError(error).message);
    }
  }

  /** Nobody waits any more, and whoever has asked may have died. */
  #clearOld(): void {
    for (const [name, { at }] of this.#fleet.registers) {
      if (name.startsWith(PREFIX) && !this.#waiting.has(name) && this.#isOld(at)) this.#fleet.clear(name);
    }
  }

  #isOld(at: number): boolean {
    return (this.#fleet.now ?? 0) - at > 2 * TIMEOUT;
  }
}
