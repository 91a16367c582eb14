import { X509Certificate } from 'node:crypto';
import { unwatchFile, watchFile } from 'node:fs';
import type { Log } from './log/log';
import { checkedPair, type TlsPair } from './settings/settings';
import { readText } from './settings/sources';

/** How often to check the files, in ms. Only polling follows symbolic links, as in Kubernetes. */
const INTERVAL = 1000;
/** How long to wait after a change, in ms: certificate and key are written one after the other. */
const SETTLING = 500;

/** Watches the files of a certificate and its key, and calls `use` with each new matching pair. */
export class TlsFiles {
  readonly #log: Log;
  readonly #use: (pair: TlsPair) => void;
  #pair: TlsPair;
  #settling: NodeJS.Timeout | undefined;
  readonly #onChange = (): void => {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.#read(), SETTLING).unref();
  };

  constructor(pair: TlsPair, log: Log, use: (pair: TlsPair) => void) {
    this.#pair = pair;
    this.#log = log;
    this.#use = use;
    this.#watch();
  }

  /** Uses a pair that was read elsewhere, and watches its files. */
  set(pair: TlsPair): void {
    if (pair.certFile !== this.#pair.certFile || pair.keyFile !== this.#pair.keyFile) {
      this.stop();
      this.#pair = { ...this.#pair, certFile: pair.certFile, keyFile: pair.keyFile };
      this.#watch();
    }
    if (pair.cert === this.#pair.cert && pair.key === this.#pair.key) return;
    this.#pair = pair;
    this.#use(pair);
    const validTo = new Date(new X509Certificate(pair.cert).validTo).toISOString();
    this.#log.info('certificate', `a new certificate is in use, valid until ${validTo}`, { validTo });
  }

  stop(): void {
    clearTimeout(this.#settling);
    for (const file of this.#files()) unwatchFile(file, this.#onChange);
  }

  #watch(): void {
    for (const file of this.#files()) watchFile(file, { interval: INTERVAL, persistent: false }, this.#onChange);
    // Catches a change between reading the files and watching them.
    this.#onChange();
  }

  #files(): Set<string> {
    return new Set([this.#pair.certFile, this.#pair.keyFile]);
  }

  #read(): void {
    const { certFile, keyFile } = this.#pair;
    try {
      const read = { certFile, keyFile, cert: readText(certFile, '--tls-cert'), key: readText(keyFile, '--tls-key') };
      this.set(checkedPair(read, certFile, keyFile));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#log.warn('certificate-failed', `the old certificate stays in use: ${message}`, { error: message });
    }
  }
}
