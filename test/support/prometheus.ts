/** One value, as it stands in the text. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export interface Family {
  name: string;
  type: 'counter' | 'gauge' | 'histogram';
  help: string;
  samples: Sample[];
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;
const VALUE = /^(?:[+-]Inf|NaN|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;
const ESCAPES: Record<string, string> = { '\\\\': '\\', '\\"': '"', '\\n': '\n' };

/**
 * Reads the text format of Prometheus (version 0.0.4), and holds it to what its servers and linters ask for.
 *
 * @throws Error with the line that is wrong.
 */
export function parseMetrics(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, Family>();
  let family: Family | undefined;
  let help: { name: string; text: string } | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const [, keyword, name = '', rest = ''] = new RegExp(`^# (HELP|TYPE) (${NAME}) (.+)$`).exec(line) ?? [];
    if (line === '') continue;
    if (keyword === 'HELP') help = { name, text: rest };
    else if (keyword === 'TYPE') {
      if (help?.name !== name || families.has(name)) throw new Error(`not once, or without help: ${line}`);
      if (rest !== 'counter' && rest !== 'gauge' && rest !== 'histogram') throw new Error(`no such type: ${line}`);
      families.set(name, family = { name, type: rest, help: help.text, samples: [] });
    } else {
      const sample = sampleOf(line);
      if (!family || !belongs(sample, family)) throw new Error(`of no family, or of another: ${line}`);
      family.samples.push(sample);
    }
  }
  for (const each of families.values()) check(each);
  return families;
}

/** The value of one sample. @throws Error when there is none, or more than one. */
export function valueOf(families: Map<string, Family>, name: string, labels: Record<string, string> = {}): number {
  const found = Array.from(families.values()).flatMap(({ samples }) => samples).filter((sample) =>
    sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value));
  const [sample] = found;
  if (!sample || found.length > 1) throw new Error(`${found.length} samples of ${name} ${JSON.stringify(labels)}`);
  return sample.value;
}

function sampleOf(line: string): Sample {
  const [, name = '', , inner = '', value = ''] = new RegExp(`^(${NAME})(\\{(.*)\\})? (\\S+)$`).exec(line) ?? [];
  if (!VALUE.test(value)) throw new Error(`no sample: ${line}`);
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < inner.length) {
    const [, label = '', escaped = ''] = LABEL.exec(inner) ?? [];
    if (label === '' || label in labels) throw new Error(`not labels: ${line}`);
    labels[label] = escaped.replace(/\\./g, (escape) => ESCAPES[escape] ?? '');
  }
  return { name, labels, value: value.endsWith('Inf') ? Number(value.replace('Inf', 'Infinity')) : Number(value) };
}

function belongs({ name }: Sample, family: Family): boolean {
  if (family.type !== 'histogram') return name === family.name;
  return ['_bucket', '_sum', '_count'].some((suffix) => name === family.name + suffix);
}

function keyOf({ name, labels }: Sample, without?: string): string {
  const pairs = Object.entries(labels).filter(([label]) => label !== without).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([name, pairs]);
}

function check(family: Family): void {
  const { name, type, samples } = family;
  const keys = samples.map((sample) => keyOf(sample));
  if (new Set(keys).size < keys.length) throw new Error(`${name} has a sample twice`);
  // Some gauges of prom-client's own end so, too, and dashboards know them by these names.
  const isCounter = name.endsWith('_total') && !name.startsWith('nodejs_active_');
  if ((type === 'counter') !== isCounter) throw new Error(`${name} is a ${type}`);
  if (/_(?:count|sum|bucket)$|milliseconds|kilobytes|percent/.test(name)) throw new Error(`${name} is named as a part, or in no base unit`);
  if (type !== 'gauge' && samples.some(({ value }) => !(value >= 0))) throw new Error(`${name} counts down`);
  if (type === 'histogram') checkHistogram(family);
}

function checkHistogram({ name, samples }: Family): void {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) {
    const key = keyOf({ ...sample, name }, 'le');
    groups.set(key, [...groups.get(key) ?? [], sample]);
  }
  for (const [key, group] of groups) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels: { le = '' } }) => Number(le.replace('Inf', 'Infinity')));
    const counts = buckets.map(({ value }) => value);
    const ascends = (values: number[], strictly: boolean): boolean =>
      values.every((value, at) => at === 0 || value > (values[at - 1] ?? NaN) || (!strictly && value === values[at - 1]));
    const count = group.find((sample) => sample.name === `${name}_count`)?.value;
    const sum = group.find((sample) => sample.name === `${name}_sum`)?.value;
    if (bounds.at(-1) !== Infinity || !ascends(bounds, true)) throw new Error(`the bounds of ${key} do not ascend to +Inf`);
    if (!ascends(counts, false)) throw new Error(`the buckets of ${key} are not cumulative`);
    if (count === undefined || count !== counts.at(-1)) throw new Error(`the count of ${key} is not that of +Inf`);
    if (sum === undefined || (count === 0) !== (sum === 0)) throw new Error(`the sum of ${key} is not of its count`);
  }
}
