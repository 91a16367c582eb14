import { Remote } from './remote';

export interface Usage {
  sockets: number;
  heapUsed: number;
  rss: number;
  arrayBuffers: number;
  external: number;
}

/**
 * A proxy in a process of its own, on a memory store unless `redisUrl` is given, or the `secret` of a `SidStore`. Its
 * events are emitted here.
 */
export class ProxyProcess extends Remote {
  port = 0;

  constructor(execArgv: string[] = []) {
    super('proxy.mjs', execArgv);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(options: { hosts: string[]; redisUrl?: string; secret?: string; [option: string]: unknown }): Promise<this> {
    this.port = await this.call<number>('start', options);
    return this;
  }

  close(): Promise<void> {
    return this.call('close');
  }

  usage(): Promise<Usage> {
    return this.call('usage');
  }
}

export function startProxyProcess(options: Parameters<ProxyProcess['start']>[0], execArgv?: string[]): Promise<ProxyProcess> {
  return new ProxyProcess(execArgv).start(options);
}
