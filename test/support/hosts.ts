import { somePort } from './program';
import { Remote } from './remote';

export interface HostOptions {
  version?: 2 | 3 | 4;
  /** Of the loopback interface; 127.0.0.1 by default. */
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
    this.name = `${options.address ?? '127.0.0.1'}:${await this.call<number>('start', options)}`;
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

/** One whose port nobody else is given while it does not listen there: it may end, and come back. */
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
