import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { find as findProgram } from '../../../scripts/programs';
import { readSettings, type Settings } from '../../../src/cli/settings/settings';
import { Command } from '../../support/command';
import { examplePath, readExample } from '../../support/examples';
import { startHost } from '../../support/hosts';
import { handshake, request } from '../../support/http';
import { typeErrors, validate } from '../../support/manifests';
import { lastingPort, temporaryFolder } from '../../support/program';
import { sharedRedisUrl, uniqueKeyPrefix } from '../../support/redis';
import { until } from '../../support/until';

interface Probe { tcpSocket?: { port: string }; httpGet?: { path: string; port: string } }

interface Container {
  image: string;
  args: string[];
  env: { name: string; valueFrom: { secretKeyRef: { name: string; key: string } } }[];
  ports: { name: string; containerPort: number }[];
  startupProbe: Probe;
  readinessProbe: Probe;
  livenessProbe: Probe;
  resources: object;
  securityContext: object;
}

interface Rendered {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels: Record<string, string> };
  spec: {
    replicas?: number;
    selector: object;
    ports: { name: string; port: number; targetPort: string }[];
    template: {
      metadata: { labels: Record<string, string> };
      spec: { terminationGracePeriodSeconds: number; securityContext: object; containers: [Container] };
    };
  };
}

const SECRETS: Record<string, string> = { 'redis/url': sharedRedisUrl(), 'tokens/admin-token': 'a-token-of-the-admin-server' };

/** What has to be given, once with a list of hosts and once with a name. */
const LEAST = { hosts: ['chat-1:3000', 'chat-2:3000=2'], redis: { secret: 'redis' } };
const DISCOVERING = { discover: 'dns:servers.default.svc.cluster.local:3000', redis: { secret: 'redis' } };
const PEERS = [{ podSelector: { matchLabels: { app: 'other' } } }];
const ALL = {
  ...DISCOVERING,
  image: { digest: `sha256:${'0123456789abcdef'.repeat(4)}` },
  imagePullSecrets: [{ name: 'registry' }],
  replicas: 3,
  admin: { secret: 'tokens' },
  healthPath: '/health',
  args: ['--trust-proxy', '--path', '/chat/'],
  nodeSelector: { pool: 'proxies' },
  tolerations: [{ key: 'proxies', operator: 'Exists' }],
  podAnnotations: { note: 'yes' },
  service: { type: 'LoadBalancer', port: 443, annotations: { note: 'yes' } },
  podDisruptionBudget: { maxUnavailable: '25%' },
  networkPolicy: { enabled: true, clients: PEERS, operators: PEERS, servers: { peers: PEERS }, redis: { peers: PEERS } },
  serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
};

function helm(args: string[], values: object): { status: number | null; stdout: string; stderr: string } {
  const program = findProgram('helm');
  if (program === undefined) throw new Error('there is no helm: node scripts/ensure-programs.mjs helm');
  const folder = temporaryFolder('helm-');
  const file = join(folder, 'values.json');
  writeFileSync(file, JSON.stringify(values));
  const homes = Object.fromEntries(['CONFIG', 'CACHE', 'DATA'].map((name) => [`HELM_${name}_HOME`, join(folder, name)]));
  return spawnSync(program, [...args, '--values', file], { encoding: 'utf8', env: { ...process.env, ...homes } });
}

/** What Helm makes of the chart. @throws Error with what it refuses. */
function render(values: object, release = 'chat'): Rendered[] {
  const { status, stdout, stderr } = helm(['template', release, examplePath('helm')], values);
  if (status !== 0) throw new Error(stderr);
  return parseAllDocuments(stdout).map((document) => document.toJS() as Rendered);
}

function one(all: Rendered[], kind: string): Rendered {
  const manifest = all.find((each) => each.kind === kind);
  if (!manifest) throw new Error(`there is no ${kind}`);
  return manifest;
}

function containerOf(all: Rendered[]): Container {
  return one(all, 'Deployment').spec.template.spec.containers[0];
}

/** The environment that the secrets give. */
function environmentOf({ env }: Container): NodeJS.ProcessEnv {
  return Object.fromEntries(env.map(({ name, valueFrom: { secretKeyRef: { name: secret, key } } }) =>
    [name, SECRETS[`${secret}/${key}`] ?? '']));
}

function settingsOf(all: Rendered[]): Settings {
  const container = containerOf(all);
  const read = readSettings(container.args, environmentOf(container));
  if (typeof read === 'string') throw new Error(read);
  return read;
}

const portOf = ({ ports }: Container, name: string): number | undefined => ports.find((port) => port.name === name)?.containerPort;

it('has nothing that the linter of Helm complains of', () => {
  const { stdout, stderr } = helm(['lint', '--strict', '--quiet', examplePath('helm')], ALL);
  expect(stdout + stderr).toBe('');
});

it('has a value for each that its schema knows, and a version that the image has', () => {
  const schema = JSON.parse(readExample('helm/values.schema.json')) as { properties: Record<string, { properties?: object }> };
  const values = parse(readExample('helm/values.yaml')) as Record<string, unknown>;
  const known = Object.entries(schema.properties).filter(([name]) => name !== 'global');
  expect(Object.keys(values).sort()).toEqual(known.map(([name]) => name).sort());
  for (const [name, { properties }] of known) {
    if (properties) expect(Object.keys(values[name] as object).sort()).toEqual(Object.keys(properties).sort());
  }
  const chart = parse(readExample('helm/Chart.yaml')) as { appVersion: string };
  expect(readExample('docker/Dockerfile')).toContain(`ARG VERSION=${chart.appVersion}\n`);
});

describe.each([['the least', LEAST], ['a name', DISCOVERING], ['all values', ALL]])('with %s', (_, values) => {
  it('makes what keeps to the schemas, without a key that they do not know', () => {
    const all = render(values);
    all.forEach(validate);
    expect(typeErrors(all)).toEqual([]);
    const names = all.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  it('selects the pods, and asks ports that they have', () => {
    const all = render(values);
    const { selector, template: { metadata: { labels } } } = one(all, 'Deployment').spec;
    const { matchLabels } = selector as { matchLabels: Record<string, string> };
    expect(labels).toMatchObject(matchLabels);
    const container = containerOf(all);
    for (const { spec } of all.filter(({ kind }) => kind === 'Service')) {
      expect(spec.selector).toEqual(matchLabels);
      for (const { targetPort } of spec.ports) expect(portOf(container, targetPort)).toBeDefined();
    }
    expect(one(all, 'PodDisruptionBudget').spec.selector).toEqual({ matchLabels });
    for (const probe of [container.startupProbe, container.readinessProbe, container.livenessProbe]) {
      expect(portOf(container, (probe.tcpSocket ?? probe.httpGet)?.port ?? '')).toBeDefined();
    }
  });

  it('gives the command what it takes', () => {
    const all = render(values);
    const { port, options, redis } = settingsOf(all);
    expect(port).toBe(portOf(containerOf(all), 'http'));
    expect(options.discover).toBe('discover' in values ? values.discover : undefined);
    expect(redis?.place).toBe(sharedRedisUrl());
    const admin = { port: portOf(containerOf(all), 'admin'), bind: '0.0.0.0', token: SECRETS['tokens/admin-token'] };
    if ('admin' in values) expect(options.admin).toMatchObject(admin);
    else expect(options.admin).toBeUndefined();
  });

  it('runs as another user than root, without rights, and writes nowhere', () => {
    const all = render(values);
    expect(one(all, 'Deployment').spec.template.spec.securityContext).toEqual({
      runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(containerOf(all).securityContext).toEqual({
      allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] },
    });
    expect(containerOf(all).resources).toMatchObject({ requests: { cpu: '500m' }, limits: { memory: '512Mi' } });
  });
});

it.each([[10_000, 30_000], [0, 0], [90_500, 1_234_567]])('waits for longer than a delay of %i ms and a drain of %i ms', (delay, drain) => {
  const all = render({ ...LEAST, shutdownDelay: delay, drainTimeout: drain });
  const { shutdownDelay, drainTimeout } = settingsOf(all).resolved;
  expect([shutdownDelay, drainTimeout]).toEqual([delay, drain]);
  const seconds = one(all, 'Deployment').spec.template.spec.terminationGracePeriodSeconds;
  expect(seconds).toBeGreaterThan((delay + drain) / 1000 + 1);
  expect(seconds).toBeLessThan((delay + drain) / 1000 + 12);
});

it('has a drain by default that is longer than a held poll, and a delay as for a service', () => {
  const { shutdownDelay, drainTimeout } = settingsOf(render(LEAST)).resolved;
  expect(shutdownDelay).toBe(10_000);
  expect(drainTimeout).toBeGreaterThan(25_000);
});

it('makes only what is asked for', () => {
  const kindsOf = (values: object): string[] => render(values).map(({ kind }) => kind).sort();
  expect(kindsOf(LEAST)).toEqual(['Deployment', 'PodDisruptionBudget', 'Service']);
  expect(kindsOf({ ...LEAST, podDisruptionBudget: { enabled: false } })).toEqual(['Deployment', 'Service']);
  expect(kindsOf(ALL)).toEqual(['Deployment', 'NetworkPolicy', 'PodDisruptionBudget', 'Service', 'Service', 'ServiceMonitor']);
});

it('leaves the number of pods to an autoscaler, and names the image by its digest, if it is told to', () => {
  expect(one(render(LEAST), 'Deployment').spec.replicas).toBe(2);
  expect(one(render({ ...LEAST, replicas: null }), 'Deployment').spec).not.toHaveProperty('replicas');
  expect(containerOf(render(LEAST)).image).toBe('registry.example/socket.io-proxy:1');
  expect(containerOf(render(ALL)).image).toBe(`registry.example/socket.io-proxy@${ALL.image.digest}`);
});

it('lets the network policy pass what is named and DNS, and the monitor show its token', () => {
  const all = render(ALL);
  expect(one(all, 'NetworkPolicy').spec).toMatchObject({
    podSelector: one(all, 'Deployment').spec.selector,
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ ports: [{ port: 'http' }], from: PEERS }, { ports: [{ port: 'admin' }], from: PEERS }],
    egress: [
      { ports: [{ protocol: 'TCP', port: 3000 }], to: PEERS },
      { ports: [{ protocol: 'TCP', port: 6379 }], to: PEERS },
      { ports: [{ protocol: 'UDP', port: 53 }, { protocol: 'TCP', port: 53 }] },
    ],
  });
  const admin = all.find(({ metadata }) => metadata.name === 'chat-socketio-proxy-admin');
  const monitor = one(all, 'ServiceMonitor');
  const { matchLabels } = monitor.spec.selector as { matchLabels: Record<string, string> };
  expect(admin?.metadata.labels).toMatchObject(matchLabels);
  // Not the service of the traffic, which has no such port.
  expect(one(all, 'Service').metadata.labels).not.toMatchObject(matchLabels);
  expect(monitor.spec).toMatchObject({
    endpoints: [{
      port: admin?.spec.ports[0]?.name, path: '/metrics', authorization: { credentials: { name: 'tokens', key: 'admin-token' } },
    }],
  });
});

it.each([
  ['a', 'a-socketio-proxy'], ['socketio-proxy', 'socketio-proxy'], ['a.b', 'a-b-socketio-proxy'],
  ['a'.repeat(53), `${'a'.repeat(53)}-soc`],
])('makes names that a service may have, of the release %s', (release, name) => {
  for (const { metadata } of render(ALL, release)) {
    expect(metadata.name).toMatch(/^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/);
    expect(metadata.name.replace(/-admin$/, '')).toBe(name);
  }
});

it.each<[what: string, values: object, told: RegExp]>([
  ['no hosts', { redis: LEAST.redis }, /'\/hosts': minItems: got 0/],
  ['hosts and a name', { ...LEAST, ...DISCOVERING }, /'oneOf' failed, subschemas 0, 1 matched/],
  ['no Redis', { hosts: LEAST.hosts }, /'\/redis\/secret': minLength/],
  ['a monitor without an admin server', { ...LEAST, serviceMonitor: { enabled: true } }, /'\/admin\/secret': minLength/],
  ['a policy without servers', { ...LEAST, networkPolicy: { enabled: true } }, /'\/networkPolicy\/servers\/peers': minItems/],
  ['a list in one text', { ...LEAST, hosts: ['a:1,b:2'] }, /'\/hosts\/0': .*pattern/],
  ['a digest that is none', { ...LEAST, image: { digest: 'sha256:1' } }, /'\/image\/digest': .*pattern/],
  ['a port of root', { ...LEAST, port: 80 }, /'\/port': minimum/],
  ['what it does not know', { ...LEAST, replica: 2 }, /additional properties 'replica' not allowed/],
])('refuses %s', (_, values, told) => {
  expect(() => render(values)).toThrow(told);
});

describe.each([['an admin server', { admin: { secret: 'tokens' } }], ['a health path alone', {}]])('with %s', (_, values) => {
  it('is run with what the chart gives it: the probes are answered, and it ends with 0', async () => {
    const host = await startHost();
    const container = containerOf(render({ ...LEAST, hosts: [host.name], shutdownDelay: 0, ...values }));
    const ports = new Map(container.ports.map(({ name, containerPort }) => [name, { from: String(containerPort), to: lastingPort() }]));
    const args = container.args.map((arg) => {
      const port = [...ports.values()].find(({ from }) => from === arg);
      return port ? String(port.to) : arg.replace('0.0.0.0', '127.0.0.1');
    });
    const command = new Command([...args, '--bind', '127.0.0.1', '--key-prefix', uniqueKeyPrefix()], { env: environmentOf(container) });
    const url = await command.ready();
    const ask = async (probe: Probe): Promise<number> => {
      if (!probe.httpGet) return (await request(url)).status;
      return (await request(`http://127.0.0.1:${ports.get(probe.httpGet.port)?.to}${probe.httpGet.path}`)).status;
    };
    await handshake(url);
    expect([await ask(container.readinessProbe), await ask(container.livenessProbe)])
      .toEqual([200, container.livenessProbe.httpGet ? 200 : 400]);
    await host.kill();
    await until('it is not ready', async () => await ask(container.readinessProbe) === 503);
    // It lives on nonetheless.
    expect(await ask(container.livenessProbe)).toBe(container.livenessProbe.httpGet ? 200 : 400);
    command.signal('SIGTERM');
    expect(await command.ended()).toBe(0);
  });
});
