import { readdirSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import Proxy, { MemoryStore } from '../../../src';
import { metricsText } from '../../../src/admin/metrics';
import { readSettings, type Settings } from '../../../src/cli/settings/settings';
import { examplePath, readExample } from '../../support/examples';
import { typeErrors, validate } from '../../support/manifests';

interface Probe { tcpSocket?: { port: string }; httpGet?: { path: string; port: string } }

interface Container {
  name: string;
  args?: string[];
  env?: { name: string; value?: string; valueFrom?: { secretKeyRef: { name: string; key: string } } }[];
  ports: { name: string; containerPort: number }[];
  startupProbe?: Probe;
  readinessProbe: Probe;
  livenessProbe: Probe;
  lifecycle?: { preStop: { exec: { command: string[] } } };
  resources: { requests: { cpu?: string } };
}

interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
  stringData?: Record<string, string>;
  spec: {
    clusterIP?: string;
    replicas?: number;
    selector: Record<string, unknown>;
    ports: { port: number; targetPort: string }[];
    scaleTargetRef: { apiVersion: string; kind: string; name: string };
    metrics: { type: string; resource?: { name: string }; pods?: { metric: { name: string } } }[];
    template: {
      metadata: { labels: Record<string, string> };
      spec: { terminationGracePeriodSeconds?: number; securityContext: object; containers: Container[] };
    };
  };
}

const files = readdirSync(examplePath('kubernetes')).filter((name) => name.endsWith('.yaml'));
const manifests = files.flatMap((file) => parseAllDocuments(readExample('kubernetes', file)))
  .map((document) => document.toJS() as Manifest);
const named = manifests.map((manifest) => [`${manifest.kind} ${manifest.metadata.name}`, manifest] as const);
const deployments = named.filter(([, { kind }]) => kind === 'Deployment');

function find(name: string): Manifest {
  const manifest = named.find(([other]) => other === name)?.[1];
  if (!manifest) throw new Error(`there is no ${name}`);
  return manifest;
}

function containerOf(manifest: Manifest): Container {
  const [container] = manifest.spec.template.spec.containers;
  if (!container) throw new Error('it has no container');
  return container;
}

function portOf(manifest: Manifest, name: string): number | undefined {
  return containerOf(manifest).ports.find((port) => port.name === name)?.containerPort;
}

describe('the manifests', () => {
  it.each(named)('keep to the schema of Kubernetes: %s', (_, manifest) => {
    validate(manifest);
  });

  it('have no key that Kubernetes does not know', () => {
    expect(typeErrors(manifests)).toEqual([]);
    const mistyped = JSON.parse(JSON.stringify(manifests).replaceAll('readinessProbe', 'readynessProbe')) as Manifest[];
    expect(typeErrors(mistyped).length).toBeGreaterThanOrEqual(deployments.length);
  });

  it('have names that are there once', () => {
    expect(new Set(named.map(([name]) => name)).size).toBe(named.length);
  });

  it.each(deployments)('select the pods that they make, and run them as another user than root: %s', (name, { spec }) => {
    const { labels } = spec.template.metadata;
    expect(spec.selector).toEqual({ matchLabels: labels });
    expect(labels).toEqual({ app: name.split(' ')[1] });
    expect(spec.template.spec.securityContext).toMatchObject({ runAsNonRoot: true });
  });

  it.each(deployments)('have probes and a service on ports that are there: %s', (name, manifest) => {
    const { startupProbe, readinessProbe, livenessProbe } = containerOf(manifest);
    for (const probe of [startupProbe ?? readinessProbe, readinessProbe, livenessProbe]) {
      expect(portOf(manifest, (probe.tcpSocket ?? probe.httpGet)?.port ?? '')).toBeDefined();
    }
    const { spec } = find(name.replace('Deployment', 'Service'));
    expect(spec.selector).toEqual(manifest.spec.template.metadata.labels);
    for (const { targetPort } of spec.ports) expect(portOf(manifest, targetPort)).toBeDefined();
  });

  it.each(deployments)('name secrets that are there: %s', (_, manifest) => {
    for (const { valueFrom } of containerOf(manifest).env ?? []) {
      if (valueFrom) expect(find(`Secret ${valueFrom.secretKeyRef.name}`).stringData).toHaveProperty(valueFrom.secretKeyRef.key);
    }
  });
});

describe('the proxy', () => {
  const proxy = find('Deployment proxy');

  function settings(): Settings {
    const { args = [], env = [] } = containerOf(proxy);
    const values = env.map(({ name, value, valueFrom }) =>
      [name, valueFrom ? find(`Secret ${valueFrom.secretKeyRef.name}`).stringData?.[valueFrom.secretKeyRef.key] : value]);
    const read = readSettings(args, Object.fromEntries(values) as NodeJS.ProcessEnv);
    if (typeof read === 'string') throw new Error(read);
    return read;
  }

  it('is given what the command takes, and listens where the manifest says', () => {
    expect(settings().port).toBe(portOf(proxy, 'http'));
    expect(settings().options.admin).toMatchObject({ port: portOf(proxy, 'admin'), bind: '0.0.0.0' });
    const { spec } = find('Service redis');
    expect(settings().redis?.place).toBe(`redis://redis:${spec.ports[0]?.port}`);
  });

  it('finds the servers by the full name of their headless service', () => {
    const servers = find('Service servers');
    expect(servers.spec.clusterIP).toBe('None');
    // A headless service passes a connection to the port of the pod, whatever its own is.
    const port = portOf(find('Deployment servers'), 'http');
    expect(servers.spec.ports).toEqual([{ name: 'http', port, targetPort: 'http' }]);
    expect(containerOf(find('Deployment servers')).env).toContainEqual({ name: 'PORT', value: String(port) });
    expect(settings().options.discover).toBe(`dns:servers.default.svc.cluster.local:${port}`);
  });

  it('takes what comes until its service has forgotten it, and has time for that and its drain', () => {
    const { shutdownDelay, drainTimeout } = settings().resolved;
    expect(shutdownDelay).toBeGreaterThanOrEqual(5000);
    // A held poll ends by the servers' pingInterval, of 25 s.
    expect(drainTimeout).toBeGreaterThan(25_000);
    expect(proxy.spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThan((shutdownDelay + drainTimeout) / 1000);
  });

  it('is scaled by the CPU that it requests, and by nothing else', async () => {
    const { spec } = find('HorizontalPodAutoscaler proxy');
    expect(spec.scaleTargetRef).toEqual({ apiVersion: proxy.apiVersion, kind: proxy.kind, name: proxy.metadata.name });
    expect(spec.metrics).toMatchObject([
      { type: 'Pods', pods: { metric: { name: expect.any(String) as string } } }, { type: 'Resource', resource: { name: 'cpu' } },
    ]);
    const metrics = await metricsText(new Proxy({ store: new MemoryStore(), hosts: ['localhost:3000'] }).parts.operations);
    expect(metrics).toContain(`# TYPE ${spec.metrics[0]?.pods?.metric.name} gauge`);
    expect(containerOf(proxy).resources.requests.cpu).toBeDefined();
    // A number of its own would be set again with each `kubectl apply`.
    expect(proxy.spec.replicas).toBeUndefined();
  });
});

it('gives the servers time for their preStop and for closing', () => {
  const servers = find('Deployment servers');
  const [, seconds] = containerOf(servers).lifecycle?.preStop.exec.command ?? [];
  const timeout = /CLOSE_TIMEOUT = ([\d_]+)/.exec(readExample('recovery/server.mjs'))?.[1]?.replace('_', '');
  expect(servers.spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThan(Number(seconds) + Number(timeout) / 1000);
});
