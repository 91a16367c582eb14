import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MemoryStore } from '../../src';
import { ErrorCode, refusals } from '../../src/base/refusals';
import { readCommandLine } from '../../src/cli/settings/command-line';
import { FLAGS, keyOf, variableOf, type Flag } from '../../src/cli/settings/flags';
import { BRIEF } from '../../src/fleet/registers';
import { resolveOptions } from '../../src/options/options';
import { operatedBefore, pathOf, type Operated } from './admin';
import { request } from './http';
import { logEvents } from './log-events';
import { Contract } from './openapi';
import { ROOT } from './package';
import { exportsOf } from './public-types';
import { openClient, uniqueKeyPrefix, type TestClient } from './redis';
import { startSessionHosts } from './session-host';
import { until } from './until';

/** The public names of one kind, one a line. */
export type Surface = Record<string, string[]>;

/** All that users may depend on, as docs/versioning.md promises it: from the code's own tables, or from what it does. */
export async function surfaceOf(): Promise<Surface> {
  return {
    ...modules(),
    'option defaults': defaults(),
    'answers of the proxy': Object.values(refusals).map(({ status, code, cause }) => `${status} ${code} ${cause}`),
    'error codes': Object.entries(ErrorCode).map(([name, code]) => `${name} ${JSON.stringify(code)}`),
    flags: FLAGS.map(flagLine),
    'exit codes': exitCodes(),
    'log events': Array.from(logEvents(), ([name, fields]) => `${name}: ${fields.join(', ')}`).sort(),
    ...adminApi(),
    ...await run(),
  };
}

/** What each entry of `exports` in package.json exports. */
function modules(): Surface {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { exports: Record<string, { types?: string }> };
  const entries = Object.entries(exports).flatMap(([name, { types }]) => (types === undefined ? [] : [[name, types] as const]));
  const files = entries.map(([, types]) => join(ROOT, types.replace('./dist/', 'src/').replace(/d\.ts$/, 'ts')));
  const exported = exportsOf(...files);
  return {
    entries: Object.keys(exports),
    ...Object.fromEntries(entries.map(([name], i) => [`exports of ${name}`, exported[i]?.names ?? []])),
    types: exported.flatMap(({ types }) => Object.entries(types)
      .flatMap(([name, members]) => members.map((member) => `${name}: ${member}`))),
  };
}

function defaults(): string[] {
  const resolved = Object.entries(resolveOptions({ store: new MemoryStore(), hosts: ['a:1'] }));
  return resolved.flatMap(([name, value]) => (
    /^(?:string|number|boolean)$/.test(typeof value) ? [`${name} ${JSON.stringify(value)}`] : []
  )).sort();
}

function flagLine(flag: Flag): string {
  const { name, short, only, type, choices, fallback, negated } = flag;
  const names = [`--${name}`, ...(short === undefined ? [] : [`-${short}`]), ...(negated === undefined ? [] : [`--no-${name}`])];
  const elsewhere = [...(only === 'flag' ? [] : [variableOf(flag)]), ...(only === undefined ? [keyOf(flag)] : [])];
  const value = choices ? choices.join('|') : type;
  return `${[...names, ...elsewhere].join(' ')}: ${value}${fallback === undefined ? '' : ` (${fallback})`}`;
}

/** Those of a command that runs no proxy. */
function exitCodes(): string[] {
  return ['--help', '--version', '--unknown'].map((arg) => {
    const reply = readCommandLine([arg], {});
    return `${arg} ${'exitCode' in reply ? reply.exitCode : ''}`;
  });
}

function adminApi(): Surface {
  const { answers, description } = new Contract();
  const schemas = Object.entries(description.components.schemas).flatMap(([name, schema]) => fieldsOf(name, schema));
  return { 'admin API': answers, 'bodies of the admin API': schemas.sort() };
}

/** The fields of a schema, with those of the objects in it: `Host.drain.movesIn`; what has none is a line by itself. */
function fieldsOf(name: string, schema: object): string[] {
  const { properties = {}, items, anyOf = [], oneOf = [], allOf = [], enum: values } = schema as {
    properties?: Record<string, object>; items?: object; enum?: unknown[];
  } & Partial<Record<'anyOf' | 'oneOf' | 'allOf', object[]>>;
  const inner = [
    ...Object.entries(properties).flatMap(([key, value]) => fieldsOf(`${name}.${key}`, value)),
    ...(items ? fieldsOf(`${name}[]`, items) : []),
    ...[...anyOf, ...oneOf, ...allOf].flatMap((each) => fieldsOf(name, each)),
  ].filter((line, i, all) => all.indexOf(line) === i);
  return inner.length > 0 ? inner : [values ? `${name}: ${values.join(' | ')}` : name];
}

/** What a member of a fleet shows and writes as it is operated: its metrics, and its keys and values in Redis. */
async function run(): Promise<Surface> {
  const [redis, hosts] = [await openClient(), await startSessionHosts(3)];
  const names = hosts.map(({ name }) => name);
  const keyPrefix = uniqueKeyPrefix();
  const operated = await operatedBefore(hosts.slice(0, 2), { redisClient: redis, keyPrefix, fleet: true, maxHandshakesPerSecond: 100 });
  const { url, ask } = operated;
  const { body } = await request(`${url}/socket.io/?EIO=4&transport=polling`);
  const { sid } = JSON.parse(body.slice(1)) as { sid: string };
  await request(`${url}/socket.io/?EIO=4&transport=polling&sid=none`);
  const keys = await redis.keys(`${keyPrefix}*`);
  const value = names.includes(await redis.get(keyPrefix + sid) ?? '') ? 'the host' : 'another value';
  const [first = '', , third = ''] = names;
  await operate(operated, first, third);
  const [state, rate] = ['state', 'rate'].map((key) => `{socket.io-fleet}:${key}:${keyPrefix}`) as [string, string];
  const wanted = ['listed', 'weight', 'drain', 'rollout', 'rollout draining', 'rebalance'];
  await until(`all that was set is in ${state}, with ${rate}`, async () => {
    const known = Object.keys(await redis.hGetAll(state)).map((name) => kindOf(name, names).replace(' <host>', ''));
    return wanted.every((name) => known.includes(name)) && await redis.exists(rate) === 1;
  });
  const fleetKeys = (await redis.keys('{socket.io-fleet}:*')).filter((key) => key.endsWith('members') || key.endsWith(keyPrefix));
  return {
    metrics: metricsIn((await ask('GET /metrics')).body),
    'keys in Redis': [...keys, ...fleetKeys].map((key) => key.replace(sid, '<sid>').replace(keyPrefix, '<keyPrefix>')).sort(),
    'values in Redis': [`<keyPrefix><sid>: ${value}`, ...await memberIn(redis, keyPrefix), ...await registersIn(redis, state, names)],
  };
}

/** Does all that the fleet has a register of. */
async function operate({ proxy, ask }: Operated, first: string, third: string): Promise<void> {
  proxy.setWeight(first, 2);
  proxy.drainHost(first, { deadline: 3_600_000 });
  proxy.addHost(third);
  proxy.rebalance({ perMinute: 1 });
  await until('the new host is up', () => proxy.hosts.every(({ state }) => state === 'up'));
  expect((await ask('POST /api/rollout', { hosts: [third], deadline: 3_600_000 })).status).toBe(202);
  expect((await ask(`GET ${pathOf(third)}`)).status).toBe(200);
}

function metricsIn(text: string): string[] {
  return Array.from(text.matchAll(/^# TYPE (\S+) (\w+)$/gm), ([, name = '', type = '']) => {
    const [, labels = ''] = new RegExp(`^${name}(?:_count)?{(.*?)} `, 'm').exec(text) ?? [];
    return `${name} ${type} ${Array.from(labels.matchAll(/(\w+)="/g), ([, label = '']) => label).sort().join(' ')}`.trimEnd();
  }).filter((line) => line.startsWith('socketio_proxy_')).sort();
}

const kindOf = (name: string, hosts: readonly string[]): string => hosts.reduce((kind, host) => kind.replace(host, '<host>'), name);

/** What stands in a value: the fields of an object, or the types in a list. */
function shapeOf(json: string): string {
  const value: unknown = JSON.parse(json);
  if (Array.isArray(value)) return ` [${value.map((each) => typeof each).join(', ')}]`;
  return typeof value === 'object' && value !== null ? ` { ${Object.keys(value).join(', ')} }` : '';
}

/** The record that a member shows of itself, and how a host stands in it. */
async function memberIn(redis: TestClient, keyPrefix: string): Promise<string[]> {
  const records = Object.values(await redis.hGetAll('{socket.io-fleet}:members')).map((text) => text.slice(text.indexOf(' ') + 1));
  const record = records.find((text) => text.includes(JSON.stringify(keyPrefix))) ?? '{}';
  const { spelling, hosts: [host] = [] } = JSON.parse(record) as { spelling?: object; hosts?: unknown[] };
  return [
    `members <id>: <at>${shapeOf(record)}`, `members spelling:${shapeOf(JSON.stringify(spelling ?? {}))}`,
    `members hosts:${shapeOf(JSON.stringify(host ?? {}))}`,
  ];
}

async function registersIn(redis: TestClient, key: string, hosts: readonly string[]): Promise<string[]> {
  const lines = Object.entries(await redis.hGetAll(key)).map(([name, text]) => {
    const [, , ...value] = text.split(' ');
    // A rebalance may be over by now, which clears its register.
    const shape = name === 'revision' || name === 'rebalance' ? '' : shapeOf(value.join(' '));
    return `state ${kindOf(name, hosts)}: <at> <by>${shape}`;
  });
  return [...new Set([...lines, `state ${BRIEF}<sid>`])].sort();
}
