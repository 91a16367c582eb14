import type { SessionStore } from '../../src';

export interface Row {
  host: string;
  expiresAt: number;
}

/** A store that does what the contract says, over a table that others share, to break in one place at a time. */
export class TableStore implements SessionStore {
  constructor(readonly table: Map<string, Row>) {}

  async bind(sid: string, host: string, ttl: number): Promise<void> {
    await Promise.resolve();
    this.table.set(sid, { host, expiresAt: this.after(ttl) });
  }

  async find(sid: string, ttl: number): Promise<string | undefined> {
    await Promise.resolve();
    const row = this.rowOf(sid);
    if (row) row.expiresAt = this.renewed(row, this.after(ttl));
    return row?.host;
  }

  async unbind(sid: string): Promise<void> {
    await Promise.resolve();
    this.table.delete(sid);
  }

  after(ttl: number): number {
    return jest.now() + ttl * 1000;
  }

  renewed(row: Row, expiresAt: number): number {
    return Math.max(row.expiresAt, expiresAt);
  }

  rowOf(sid: string): Row | undefined {
    const row = this.table.get(sid);
    return row && row.expiresAt > jest.now() ? row : undefined;
  }
}

/** A store whose sids become other ones. */
export const keyed = (keyOf: (sid: string) => string): TableStoreClass => class extends TableStore {
  override bind(sid: string, host: string, ttl: number): Promise<void> {
    return super.bind(keyOf(sid), host, ttl);
  }

  override find(sid: string, ttl: number): Promise<string | undefined> {
    return super.find(keyOf(sid), ttl);
  }

  override unbind(sid: string): Promise<void> {
    return super.unbind(keyOf(sid));
  }
};

/** A store some of whose methods are others. */
export const overriding = (methods: (store: TableStore) => Partial<SessionStore>): TableStoreClass => class extends TableStore {
  constructor(table: Map<string, Row>) {
    super(table);
    Object.assign(this, methods(new TableStore(table)));
  }
};

export type TableStoreClass = new (table: Map<string, Row>) => SessionStore;

/** A store that breaks a clause; the test that catches it, and how its message begins or ends. */
export type BrokenStore = [what: string, store: TableStoreClass, test: RegExp, message: RegExp];
