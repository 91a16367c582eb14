import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { dirname, extname, join } from 'node:path';
import { Problem } from './problems';
import type { Reply } from './reply';

const TYPES = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
  ['.png', 'image/png'],
]);

interface StaticFile {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** The dashboard's files, read once: no requested path ever reaches the file system. */
export class StaticFiles {
  readonly #files = new Map<string, StaticFile>();

  constructor() {
    const page = join(__dirname, 'page');
    const names = existsSync(page) ? readdirSync(page, { withFileTypes: true }).filter((entry) => entry.isFile()) : [];
    for (const { name } of names) this.#add(`/page/${name}`, join(page, name));
    const index = this.#files.get('/page/index.html');
    if (index) this.#files.set('/', index);
    const uplot = dirname(require.resolve('uplot'));
    for (const name of ['uPlot.esm.js', 'uPlot.min.css']) this.#add(`/uplot/${name}`, join(uplot, name));
  }

  /** @throws Problem if there is no such file. */
  reply(req: IncomingMessage, path: string): Reply {
    const file = this.#files.get(path);
    if (!file) throw new Problem('NOT_FOUND', 'there is no such file');
    const { body, headers } = file;
    const known = req.headers['if-none-match']?.split(',').map((tag) => tag.trim().replace(/^W\//, '')) ?? [];
    const isKnown = known.some((tag) => tag === headers.ETag || tag === '*');
    return isKnown ? { status: 304, headers } : { status: 200, headers, body };
  }

  #add(path: string, file: string): void {
    const body = readFileSync(file);
    this.#files.set(path, {
      body,
      headers: {
        'Content-Type': TYPES.get(extname(file)) ?? 'application/octet-stream',
        'Cache-Control': 'no-cache',
        ETag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
      },
    });
  }
}
