import { createRequire } from 'node:module';
import type { LRParser } from '@lezer/lr';
import { parse } from 'yaml';
import { operatedBefore } from '../../support/admin';
import { readExample } from '../../support/examples';
import { handshake, pollUrl, request } from '../../support/http';
import { parseMetrics } from '../../support/prometheus';
import { openClient, uniqueKeyPrefix } from '../../support/redis';
import { startSessionHosts, type SessionHost } from '../../support/session-host';

// Its types say that it is an ES module alone, which it is not.
const { parser } = createRequire(__filename)('@prometheus-io/lezer-promql') as { parser: LRParser };

interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: { uid: string };
  targets?: { expr: string; legendFormat: string; datasource: { uid: string } }[];
}

interface Rule {
  alert: string;
  expr: string;
  for: string;
  labels: { severity: string };
  annotations: { summary: string; description: string };
}

const dashboard = JSON.parse(readExample('grafana/dashboard.json')) as {
  panels: Panel[];
  templating: { list: { name: string; type: string; definition?: string }[] };
};
const { groups } = parse(readExample('grafana/alerts.yml')) as { groups: { name: string; rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const charts = dashboard.panels.filter(({ type }) => type !== 'row');

/** Prometheus adds these to all that it scrapes. */
const ADDED = ['job', 'instance'];

/** What a metric that is scraped has for labels, by the name of its samples. */
const known = new Map<string, Set<string>>();

beforeAll(async () => {
  const [host] = await startSessionHosts(1) as [SessionHost];
  const { url, admin } = await operatedBefore([host], { redisClient: await openClient(), keyPrefix: uniqueKeyPrefix(), fleet: true });
  await handshake(url);
  // Without a refusal there are no samples of them.
  await request(pollUrl(url, 'none'));
  for (const { samples } of parseMetrics((await request(`${admin}/metrics`)).body).values()) {
    for (const { name, labels } of samples) known.set(name, new Set([...known.get(name) ?? [], ...Object.keys(labels), ...ADDED]));
  }
});

/** What PromQL names, by its own grammar. @throws Error when it is malformed. */
function namesIn(expr: string): { metrics: string[]; labels: string[] } {
  const text = expr.replaceAll('$__rate_interval', '5m');
  const found = { metrics: [] as string[], labels: [] as string[] };
  parser.parse(text).iterate({
    enter({ name, type, from, to, node }) {
      const word = text.slice(from, to);
      if (type.isError) throw new Error(`no PromQL at ${from}: ${text}`);
      if (name === 'LabelName') found.labels.push(word);
      if (name === 'Identifier' && node.parent?.name === 'VectorSelector') found.metrics.push(word);
    },
  });
  return found;
}

/** @throws Error when it names what is not there. */
function check(expr: string, legend = ''): string[] {
  const { metrics, labels } = namesIn(expr);
  const has = metrics.map((metric) => known.get(metric) ?? new Set<string>());
  const missing = metrics.filter((metric) => !known.has(metric));
  const shown = Array.from(legend.matchAll(/\{\{ *(?:\$labels\.)?(\w+) *\}\}/g), ([, label = '']) => label);
  const foreign = [...labels, ...shown].filter((label) => !has.some((each) => each.has(label)));
  if (missing.length > 0 || foreign.length > 0) throw new Error(`${expr}: there is no ${[...missing, ...foreign].join(', ')}`);
  return metrics;
}

describe('the dashboard', () => {
  it.each(charts.map((panel) => [panel.title, panel] as const))('queries what is there: %s', (_, { targets = [] }) => {
    expect(targets.length).toBeGreaterThan(0);
    for (const { expr, legendFormat } of targets) expect(check(expr, legendFormat)).not.toEqual([]);
  });

  it('shows all that the proxy counts', () => {
    const shown = new Set(charts.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => check(expr))));
    const all = [...known.keys()].filter((name) => name.startsWith('socketio_proxy_'));
    // Of a histogram the buckets, or the count, are enough.
    const unshown = all.filter((name) => !shown.has(name) && !shown.has(name.replace(/_(?:sum|count)$/, '_bucket')));
    expect(unshown).toEqual([]);
  });

  it('takes its data from the source that is chosen, and knows its variables', () => {
    const names = dashboard.templating.list.map(({ name }) => name);
    expect(names).toEqual(['datasource', 'job', 'instance', 'host']);
    for (const { datasource, targets = [] } of charts) {
      for (const source of [datasource, ...targets.map((target) => target.datasource)]) expect(source?.uid).toBe('${datasource}');
    }
    const used = Array.from(JSON.stringify(charts).matchAll(/\$\{?(\w+)/g), ([, name = '']) => name);
    expect([...new Set(used)].sort()).toEqual(['__rate_interval', ...names].sort());
    for (const { definition } of dashboard.templating.list) {
      const [, selector = '', label = ''] = /^label_values\((.+), (\w+)\)$/.exec(definition ?? '') ?? [];
      if (definition !== undefined) check(selector, `{{${label}}}`);
    }
  });

  it('has its panels side by side, each once', () => {
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + at % w} ${y + Math.floor(at / w)}`));
    expect(new Set(cells).size).toBe(cells.length);
    expect(dashboard.panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  });
});

describe('the alerts', () => {
  it.each(rules.map((rule) => [rule.alert, rule] as const))('ask for what is there: %s', (_, { expr, annotations, ...rule }) => {
    expect(check(expr, annotations.summary)).not.toEqual([]);
    expect(rule.for).toMatch(/^\d+m$/);
    expect(rule.labels.severity).toMatch(/^(?:critical|warning|info)$/);
    expect(annotations.description).not.toBe('');
  });

  it('are named once', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  });
});

it.each([
  ['sum(rate(socketio_proxy_gone_total[5m]))', '', 'there is no socketio_proxy_gone_total'],
  ['socketio_proxy_ready{sid="x"}', '', 'there is no sid'],
  ['sum by (sid) (socketio_proxy_sessions)', '', 'there is no sid'],
  ['socketio_proxy_sessions', '{{worker}}', 'there is no worker'],
  ['sum(socketio_proxy_sessions', '', 'no PromQL'],
])('sees what is wrong with %s', (expr, legend, message) => {
  expect(() => check(expr, legend)).toThrow(message);
});
