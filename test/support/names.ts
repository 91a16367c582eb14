import dns, { type LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { onCleanup } from './cleanup';

const { lookup } = dns;

/** What a name stands for: addresses, the code of an error, or no answer at all. */
export type Meaning = readonly string[] | 'silence' | `E${string}`;

/** The names that this process looks up, and what they stand for. */
export interface Names {
  readonly table: Record<string, Meaning>;
  /** The names that were looked up, in their order. */
  readonly asked: string[];
}

/** Lets names stand for what the test says until it is over. Others stand for what they always do. */
export function standForNames(table: Names['table']): Names {
  const names = { table, asked: [] as string[] };
  const fake = (name: string, options: { all?: boolean }, callback: (error: unknown, ...found: unknown[]) => void): void => {
    const meaning = table[name];
    if (meaning === undefined) {
      lookup(name, options as never, callback as never);
      return;
    }
    names.asked.push(name);
    if (meaning === 'silence') return;
    if (typeof meaning === 'string') {
      const error = Object.assign(new Error(`getaddrinfo ${meaning} ${name}`), { code: meaning, syscall: 'getaddrinfo', hostname: name });
      setImmediate(callback, error);
      return;
    }
    const all = meaning.map((address): LookupAddress => ({ address, family: isIP(address) }));
    if (options.all) setImmediate(callback, null, all);
    else setImmediate(callback, null, all[0]?.address, all[0]?.family);
  };
  const spy = jest.spyOn(dns, 'lookup').mockImplementation(fake as unknown as typeof lookup);
  onCleanup(() => spy.mockRestore());
  return names;
}
