import { X509Certificate } from 'node:crypto';
import { unwatchFile, watchFile } from 'node:fs';
import type { Log } from './log/log';
import { checkedPair, type TlsPair } from './settings/settings';
import { readText } from './settings/sources';

/** How often the files are looked at. Their names may be links, as in Kubernetes, which only looking follows. */
const INTERVAL = 1000;
/** A certificate and its key are written one after the other. */
const SETTLING = 500;

/** The files of a certificate and its key: tells of each new pair that fits together. */
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

  /** Goes on with a pair that was read elsewhere, and its files. */
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
    // What has changed since they were read, and before they were first looked at, would never be seen.
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
