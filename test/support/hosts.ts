import { somePort } from './program';
import { Remote } from './remote';

export interface HostOptions {
  version?: 2 | 3 | 4;
  /** Of the loopback interface; by default one that no other test file that runs meanwhile uses. */
  address?: string;
  port?: number;
  keepAliveTimeout?: number;
  pingInterval?: number;
  pingTimeout?: number;
  /** Keeps what comes, for `recorded`. */
  record?: boolean;
  [option: string]: unknown;
}

/** A request of a client, an upgrade or a preflight as it has come to a host. */
export interface Recorded {
  method: string;
  url: string;
  cookie?: string;
  upgrade?: string;
}

/**
 * Of this process of the tests' alone: a port that a host has left is taken there by no other test file's listener, nor
 * by one of another run's on this machine.
 */
const OWN = `127.${1 + (process.ppid % 250)}.0.${10 + Number(process.env.JEST_WORKER_ID ?? 0)}`;

/** Linux listens on all of 127.0.0.0/8, other systems on what their loopback interface was given. */
export const ADDRESS = process.platform === 'linux' ? OWN : '127.0.0.1';

/** A Socket.IO server in a process of its own. */
export class HostProcess extends Remote {
  /** As it stands in a proxy's `hosts`. */
  name = '';

  constructor() {
    super('host.mjs');
  }

  get port(): number {
    return Number(this.name.split(':')[1]);
  }

  async start(options: HostOptions = {}): Promise<this> {
    const address = options.address ?? ADDRESS;
    this.name = `${address}:${await this.call<number>('start', { ...options, address })}`;
    return this;
  }

  /** What has come since it was last asked. */
  recorded(): Promise<Recorded[]> {
    return this.call('recorded');
  }
}

export function startHost(options?: HostOptions): Promise<HostProcess> {
  return new HostProcess().start(options);
}

/** One at an address that is not its own, whose port nobody else is given while it does not listen there. */
export async function startHostOnSomePort(options?: HostOptions): Promise<HostProcess> {
  for (let tries = 1; ; tries += 1) {
    const host = new HostProcess();
    try {
      return await host.start({ ...options, port: somePort() });
    } catch (error) {
      // Another process has that port: try one more.
      if (tries === 5 || !String(error).includes('EADDRINUSE')) throw error;
      await host.kill();
    }
  }
}

export function startHosts(count: number, options?: HostOptions): Promise<HostProcess[]> {
  return Promise.all(Array.from({ length: count }, () => startHost(options)));
}
