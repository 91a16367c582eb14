import { FLAGS, type Flag } from './flags';

const WIDTH = 100;
/** The column where descriptions begin. */
const COLUMN = 29;

const HEAD = `Usage: socket.io-proxy2 --hosts localhost:3000,localhost:3001 [--redis redis://localhost:6379]

A load balancer for Socket.IO. It sends all requests of a session to the same host, without cookies.
Times are in ms, except --key-expiry, which is in seconds. Defaults are in parentheses.
`;

const FOOT = `
Each flag can also be set in the environment (--check-interval as SOCKETIO_PROXY_CHECK_INTERVAL)
and in the --config file (as checkInterval). Flags override the environment, which overrides the
file. Set secrets, such as a Redis URL with a password, in one of these: process lists show flags.
`;

/** The text of `--help`. */
export function help(): string {
  const groups = [...new Set(FLAGS.map(({ group }) => group))];
  const lines = groups.flatMap((group) => [
    '', `${group}:`, ...FLAGS.filter((flag) => flag.group === group).flatMap(linesOf),
  ]);
  return `${HEAD}${lines.join('\n')}\n${FOOT}`;
}

function linesOf(flag: Flag): string[] {
  const { name, unit, text, fallback, type, short, choices, negated } = flag;
  const names = short === undefined ? `--${name}` : `--${name}, -${short}`;
  if (type === 'boolean') return wrap(negated === undefined ? [names, text] : [`--no-${name}`, negated]);
  if (type === 'networks') return wrap([`${names} [list]`, text]);
  if (choices) {
    const listed = choices.map((each) => (each === fallback ? `(${each})` : each));
    return wrap([names, `${text}: ${listed.join(', ')}`]);
  }
  return wrap([`${names} <${unit}>`, fallback === undefined ? text : `${text} (${fallback})`]);
}

/** Wraps the description to lines of at most `WIDTH`, in a column of its own. */
function wrap([names, text]: readonly [names: string, text: string]): string[] {
  const words = text.split(' ');
  const first = `  ${names}`.padEnd(COLUMN - 1);
  // Long names have a line of their own.
  const lines = first.length < COLUMN ? [first] : [first, ' '.repeat(COLUMN - 1)];
  for (const word of words) {
    const last = lines.at(-1) ?? '';
    if (last.length + 1 + word.length <= WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`${' '.repeat(COLUMN)}${word}`);
  }
  return lines;
}
