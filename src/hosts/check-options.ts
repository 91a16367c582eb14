import { wrong } from '../base/checks';

/** Ranges of statuses, each with both its ends. */
export type StatusRanges = readonly (readonly [first: number, last: number])[];

/** @throws TypeError when the path cannot be sent in a request. */
export function checkPathOf(path: unknown): string | undefined {
  if (path === undefined) return undefined;
  if (typeof path === 'string' && /^\/[\x21-\x7e]*$/.test(path) && !path.includes('#')) return path;
  throw wrong('checkPath', "be a string that begins with '/', in visible ASCII without '#'", path);
}

/** @throws TypeError when the text is no list of statuses. */
export function checkStatusOf(text: unknown): StatusRanges | undefined {
  if (text === undefined) return undefined;
  const ranges = typeof text === 'string' ? text.split(',').map(rangeOf) : [undefined];
  const known = ranges.filter((range) => range !== undefined);
  if (known.length === ranges.length) return known;
  throw wrong('checkStatus', "list statuses from 100 to 599, as in '200-299' or '200,204'", text);
}

export function includes(ranges: StatusRanges, status: number): boolean {
  return ranges.some(([first, last]) => first <= status && status <= last);
}

function rangeOf(text: string): readonly [number, number] | undefined {
  const [, first, last = first] = /^\s*([1-5]\d\d)\s*(?:-\s*([1-5]\d\d)\s*)?$/.exec(text) ?? [];
  return first !== undefined && Number(first) <= Number(last) ? [Number(first), Number(last)] : undefined;
}
