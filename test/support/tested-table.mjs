// The README's table of what is tested against what: an entry is { kind, name, version }.
import { spawnSync } from 'node:child_process';
import { NODE_VERSIONS } from '../../scripts/node-versions.mjs';

const BEGIN = '<!-- tested: written by `npm run tested` -->';
const END = '<!-- /tested -->';
const HEAD = '| What | Name | Version |\n|---|---|---|';

/** The order of the kinds; others come after them. */
const KINDS = ['Node', 'Server', 'Client', 'Redis client', 'Redis server', 'In front', 'Mounted on'];

/**
 * What comes with the machine, by kind and name, and the program that it needs. Its version differs from one machine to
 * the next, so that any will do; what npm's lock file pins is compared by its version too.
 */
const PROGRAMS = [
  [/^Redis server: .*valkey/i, 'valkey-server'],
  [/^Redis server: /, 'redis-server'],
  [/^(?:Server|Client): .*(?:python|aiohttp)/i, 'python3'],
  [/^Client: .*chrom/i, 'chromium'],
  [/^Client: curl/, 'curl'],
  [/^In front: nginx/i, 'nginx'],
  [/^In front: haproxy/i, 'haproxy'],
];

const programOf = ({ kind, name }) => PROGRAMS.find(([pattern]) => pattern.test(`${kind}: ${name}`))?.[1];

/** What has to be the same in the table and in what was shown. */
const keyOf = ({ kind, name, version }) => [kind, name, ...(programOf({ kind, name }) ? [] : [version])].join(' ').trimEnd();

const compareText = new Intl.Collator('en', { numeric: true }).compare;

function compare(a, b) {
  const order = ({ kind }) => (KINDS.includes(kind) ? KINDS.indexOf(kind) : KINDS.length);
  return order(a) - order(b) || compareText(a.kind, b.kind) || compareText(a.name, b.name) || compareText(a.version, b.version);
}

/** As it stands in the table: no patch of a dependency changes it. A version may be several: '3.8.1 on 2.0'. */
function shorten({ kind, name, version }) {
  const ofMachine = programOf({ kind, name }) !== undefined;
  const short = version.replace(/\bv?(\d+)((?:\.\d+)*)/g, (_, major, rest) => {
    const [, minor, ...others] = rest.split('.');
    // Browsers number their builds with four parts, of which the first alone tells anything.
    const withMinor = minor !== undefined && (major === '0' || (ofMachine && others.length < 2));
    return withMinor ? `${major}.${minor}` : major;
  });
  return { kind, name, version: short };
}

function canBeShown(entry) {
  const program = programOf(entry);
  return program === undefined || spawnSync(program, ['--version'], { stdio: 'ignore' }).error?.code !== 'ENOENT';
}

/** The entries that were shown, in order and each once, with the versions of Node that the tests are run on. */
export function entriesOf(records) {
  const nodes = NODE_VERSIONS.map((version) => ({ kind: 'Node', name: 'Node.js', version }));
  const all = [...nodes, ...records.map(shorten)].sort(compare);
  return all.filter((entry, i) => i === 0 || compare(entry, all[i - 1]) !== 0);
}

/** The README with the entries in its table. */
export function write(readme, entries) {
  const rows = [];
  for (const { kind, name, version } of entries) {
    const last = rows.at(-1);
    if (last?.kind === kind && last.name === name) last.versions.push(version);
    else rows.push({ kind, name, versions: [version] });
  }
  const lines = rows.map(({ kind, name, versions }) => `| ${kind} | ${name} | ${versions.join(', ') || '–'} |`);
  const [before, , after] = partsOf(readme);
  return [before, BEGIN, '\n', [HEAD, ...lines].join('\n'), '\n', END, after].join('');
}

/** The entries of the README's table. */
export function read(readme) {
  const rows = partsOf(readme)[1].trim().split('\n').slice(2);
  return rows.flatMap((row) => {
    const [kind, name, versions] = row.slice(2, -2).split(' | ');
    return versions.split(', ').map((version) => ({ kind, name, version: version === '–' ? '' : version }));
  });
}

/** What the table lacks, and what it has although it was not shown and could have been on this machine. */
export function differences(shown, table) {
  const without = (entries, others) => {
    const known = new Set(others.map(keyOf));
    return entries.filter((entry) => !known.has(keyOf(entry)));
  };
  return {
    missing: without(shown, table).map(keyOf),
    notShown: without(table, shown).filter((entry) => canBeShown(entry)).map(keyOf),
  };
}

function partsOf(readme) {
  const [before, rest, ...more] = readme.split(BEGIN);
  const [table, after, ...evenMore] = rest?.split(END) ?? [];
  if (after === undefined || more.length + evenMore.length > 0) {
    throw new Error(`README.md must have one line '${BEGIN}', and after it one '${END}'`);
  }
  return [before, table, after];
}
