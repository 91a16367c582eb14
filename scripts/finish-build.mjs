// What `tsc` leaves undone: the command is a program, as npm makes it when it installs the package, and the admin server
// has its description and its page.
import { chmodSync, cpSync } from 'node:fs';

const root = new URL('..', import.meta.url);

chmodSync(new URL('dist/cli.js', root), 0o755);
for (const path of ['openapi.json', 'page']) {
  cpSync(new URL(`src/admin/${path}`, root), new URL(`dist/admin/${path}`, root), { recursive: true });
}
