import type { ReadRequest } from './node-reader';

/** Hears what is read. */
export interface StrictListener {
  onRequest(request: ReadRequest): void;
  /** What was sent is nothing that a proxy may send. */
  onFault(fault: string): void;
}

interface Begun {
  request: ReadRequest;
  chunks: Buffer[];
  /** In bytes; `undefined` where the body comes in chunks. */
  length: number | undefined;
}

/** Reads requests as the RFC spells them and not otherwise: independent of Node's parser, and of ours. */
export class StrictReader {
  readonly #listener: StrictListener;
  #bytes = Buffer.alloc(0);
  #begun: Begun | undefined;
  #isStopped = false;

  constructor(listener: StrictListener) {
    this.#listener = listener;
  }

  write(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    while (!this.#isStopped && (this.#begun ? this.#readBody(this.#begun) : this.#readHead()));
  }

  /** The connection has ended: in the middle of a request, where it was given up. */
  end(): void {
    if (!this.#begun || this.#isStopped) return;
    const { request, chunks, length } = this.#begun;
    if (length !== undefined) chunks.push(this.#bytes.subarray(0, length));
    this.#listener.onRequest({ ...request, body: Buffer.concat(chunks), isWhole: request.isUpgrade });
  }

  #fault(fault: string): false {
    this.#isStopped = true;
    this.#listener.onFault(`${fault}: ${JSON.stringify(this.#bytes.toString('latin1', 0, 2000))}`);
    return false;
  }

  #readHead(): boolean {
    const end = this.#bytes.indexOf('\r\n\r\n');
    if (end === -1) return false;
    const [first = '', ...lines] = this.#bytes.toString('latin1', 0, end).split('\r\n');
    const [, method = '', target = ''] = /^([A-Z-]+) (\/[\x21-\x7e]*) HTTP\/1\.1$/.exec(first) ?? [];
    if (method === '') return this.#fault('no request line');
    const fields: string[] = [];
    for (const line of lines) {
      const [, name, value] = /^([\w!#$%&'*+.^`|~-]+): ([\t\x20-\x7e\x80-\xff]*)$/.exec(line) ?? [];
      if (name === undefined || value === undefined) return this.#fault('no field');
      fields.push(name, value.trim());
    }
    if (valuesOf(fields, 'host').length !== 1) return this.#fault('not one Host');
    const [length, encoding] = [valuesOf(fields, 'content-length'), valuesOf(fields, 'transfer-encoding')];
    if (length.length + encoding.length > 1) return this.#fault('framed twice');
    if (!/^\d*$/.test(length.join()) || !['', 'chunked'].includes(encoding.join())) return this.#fault('framed badly');
    const isUpgrade = valuesOf(fields, 'upgrade').length > 0;
    this.#bytes = this.#bytes.subarray(end + 4);
    const request = { method, target, version: '1.1', fields, body: Buffer.alloc(0), isWhole: true, isUpgrade };
    this.#begun = { request, chunks: [], length: isUpgrade ? Infinity : encoding.length > 0 ? undefined : Number(length[0] ?? 0) };
    return true;
  }

  #readBody({ request, chunks, length }: Begun): boolean {
    const at = length ?? this.#readChunks(chunks);
    if (at === undefined || at > this.#bytes.length) return false;
    if (length !== undefined) chunks.push(this.#bytes.subarray(0, length));
    this.#bytes = this.#bytes.subarray(at);
    this.#begun = undefined;
    this.#listener.onRequest({ ...request, body: Buffer.concat(chunks) });
    return true;
  }

  /** @returns where the next request begins, once the last chunk is there. */
  #readChunks(chunks: Buffer[]): number | undefined {
    for (;;) {
      const end = this.#bytes.indexOf('\r\n');
      if (end === -1) return undefined;
      const digits = this.#bytes.toString('latin1', 0, end);
      if (!/^[\da-f]+$/i.test(digits)) {
        this.#fault('no size of a chunk');
        return undefined;
      }
      const size = parseInt(digits, 16);
      const next = end + 2 + size + 2;
      if (this.#bytes.length < next) return undefined;
      if (this.#bytes.toString('latin1', next - 2, next) !== '\r\n') {
        this.#fault('no end of a chunk');
        return undefined;
      }
      if (size === 0) return next;
      chunks.push(this.#bytes.subarray(end + 2, next - 2));
      this.#bytes = this.#bytes.subarray(next);
    }
  }
}

/** The values of a field, one for each line; `name` in lower case. */
export function valuesOf(fields: readonly string[], name: string): string[] {
  return fields.filter((_, i) => i % 2 === 1 && fields[i - 1]?.toLowerCase() === name);
}
