import { isObject } from '../checks';
import { BOUNDS, type HistogramTotals } from '../histogram';
import type { ProcessMetrics } from '../operator';

/** Label names and values. */
export type Labels = Readonly<Record<string, string>>;

/** A metric as `prom-client` writes it in JSON. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** Nothing is summed up here: `first` leaves each value as it is. */
  readonly aggregator: 'first';
  readonly values: readonly { readonly labels: Labels; readonly value: number; readonly metricName?: string }[];
}

type Values = readonly (readonly [labels: Labels, value: number])[];

export function counter(name: string, help: string, values: Values): Metric {
  return plain('counter', name, help, values);
}

export function gauge(name: string, help: string, values: Values): Metric {
  return plain('gauge', name, help, values);
}

export function histogram(
  name: string, help: string, values: readonly (readonly [labels: Labels, totals: HistogramTotals])[],
): Metric {
  return {
    name,
    help,
    type: 'histogram',
    aggregator: 'first',
    values: values.flatMap(([labels, { buckets, sum }]) => {
      let count = 0;
      const cumulated = [...BOUNDS.map(String), '+Inf'].map((le, at) => {
        count += buckets[at] ?? 0;
        return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
      });
      return [
        ...cumulated,
        { metricName: `${name}_sum`, labels, value: sum },
        { metricName: `${name}_count`, labels, value: count },
      ];
    }),
  };
}

/** The metrics of a process, with a label that says which it is. */
export function labelled({ worker, metrics }: ProcessMetrics): readonly object[] {
  return metrics.map((metric) => {
    const values: unknown = Reflect.get(metric, 'values');
    const known: readonly unknown[] = Array.isArray(values) ? values : [];
    return {
      ...metric,
      aggregator: 'first',
      // What is no number, such as the deviation of nothing, becomes null on its way from one process to another.
      values: known.filter(isObject).filter((value) => Number.isFinite(Reflect.get(value, 'value')))
        .map((value) => ({ ...value, labels: { ...Object(Reflect.get(value, 'labels')), worker } })),
    };
  });
}

function plain(type: Metric['type'], name: string, help: string, values: Values): Metric {
  return { name, help, type, aggregator: 'first', values: values.map(([labels, value]) => ({ labels, value })) };
}
