const whole = new Intl.NumberFormat('en-GB');
const short = new Intl.NumberFormat('en-GB', { maximumSignificantDigits: 3 });

const compact = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 2 });

const SIZES = ['B', 'kB', 'MB', 'GB', 'TB'];

/** What stands where there is no figure. */
export const NONE = '–';

export const count = (value) => (value === null ? NONE : whole.format(value));

/** For where there is little room: `150K`, `1.2M`. */
export const brief = (value) => compact.format(value);

export const counted = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

export function rate(value) {
  if (value === null) return NONE;
  return value > 0 && value < 10 ? value.toFixed(1) : count(Math.round(value));
}

export function bytes(value) {
  if (value === null) return NONE;
  let size = value;
  let at = 0;
  while (size >= 999.5 && at < SIZES.length - 1) {
    size /= 1000;
    at += 1;
  }
  return `${short.format(at === 0 ? Math.round(size) : size)} ${SIZES[at]}`;
}

/** Of seconds. */
export function milliseconds(value) {
  if (value === null) return NONE;
  const ms = value * 1000;
  return `${ms < 100 ? ms.toFixed(1) : count(Math.round(ms))} ms`;
}

export function percent(value) {
  return value === null ? NONE : `${Math.round(value * 100)} %`;
}

/** Of seconds, with the two units that tell most: `4 d 5 h`, `3 min 12 s`. */
export function duration(value) {
  const seconds = Math.max(0, Math.round(value));
  const parts = [
    [Math.floor(seconds / 86400), 'd'], [Math.floor(seconds / 3600) % 24, 'h'], [Math.floor(seconds / 60) % 60, 'min'], [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first === -1) return '0 s';
  return parts.slice(first, first + 2).filter(([amount]) => amount > 0).map(([amount, unit]) => `${amount} ${unit}`).join(' ');
}

/** Of seconds: `4:56`, `1:02:03`. */
export function countdown(value) {
  const seconds = Math.ceil(value);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return (parts[0] > 0 ? parts : parts.slice(1)).map((part, at) => (at === 0 ? String(part) : String(part).padStart(2, '0'))).join(':');
}

export const clock = (date) => date.toLocaleTimeString('en-GB');
