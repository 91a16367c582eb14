import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';

/** A file of the dashboard. */
export interface Asset {
  readonly type: string;
  readonly content: Buffer;
  readonly etag: string;
}

const TYPES = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
]);

/** Every file of the dashboard, by the path that it has. They are read once: no request names a file. */
export function readAssets(): ReadonlyMap<string, Asset> {
  const folder = join(__dirname, 'page');
  const charts = dirname(require.resolve('uplot/dist/uPlot.esm.js'));
  return new Map([
    ['/', assetOf(join(folder, 'index.html'))],
    ...readdirSync(folder).map((name) => [`/page/${name}`, assetOf(join(folder, name))] as const),
    ...['uPlot.esm.js', 'uPlot.min.css'].map((name) => [`/uplot/${name}`, assetOf(join(charts, name))] as const),
  ]);
}

function assetOf(file: string): Asset {
  const content = readFileSync(file);
  const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`;
  return { type: TYPES.get(extname(file)) ?? 'application/octet-stream', content, etag };
}
