import { Remote } from './remote';

export interface Connected {
  key: number;
  sid: string;
  host: string;
  transport: 'polling' | 'websocket';
}

/** What a client has at the moment. */
export interface ClientState {
  connected: boolean;
  /** Another one after it has come back. */
  sid: string;
  transport: 'polling' | 'websocket';
  /** What came with the event `said`. */
  heard: unknown[];
}

export interface ClientOptions {
  url: string;
  version?: 2 | 3 | 4;
  transports?: ('polling' | 'websocket')[];
  /** Waits for the upgrade to WebSocket. */
  upgraded?: boolean;
  [option: string]: unknown;
}

/** The ways in which a client carries its session. */
export const TRANSPORTS: [name: string, options: Partial<ClientOptions>][] = [
  ['polling', { transports: ['polling'] }],
  ['polling with upgrade', { transports: ['polling', 'websocket'], upgraded: true }],
  ['websocket', { transports: ['websocket'] }],
];

/** Socket.IO clients in a process of their own. */
export class Clients extends Remote {
  constructor() {
    super('clients.mjs');
  }

  connect(options: ClientOptions): Promise<Connected> {
    return this.call<Connected>('connect', options);
  }

  /** Text and binary, small and of `size` bytes (1 MB), there and back. */
  exchange(key: number, size?: number): Promise<void> {
    return this.call('exchange', key, size);
  }

  host(key: number): Promise<string> {
    return this.call('host', key);
  }

  state(key: number): Promise<ClientState> {
    return this.call('state', key);
  }

  /** The host that answers, once one does. */
  answered(key: number, ms = 5000): Promise<string> {
    return this.call('answered', key, ms);
  }

  close(key: number): Promise<void> {
    return this.call('close', key);
  }
}
