import { FLAGS, type Flag } from './flags';

const WIDTH = 100;
/** Where the descriptions begin. */
const COLUMN = 29;

/** The text of `--help`. */
export function help(): string {
  const groups = [...new Set(FLAGS.map(({ group }) => group))];
  return [
    'Usage: socket.io-proxy2 --hosts localhost:3000,localhost:3001 [--redis redis://localhost:6379] [flags]',
    '',
    'A load balancer for Socket.IO that sends every request of a session to the same host, without cookies.',
    ...groups.flatMap((group) => ['', `${group}:`, ...FLAGS.filter((flag) => flag.group === group).flatMap(linesOf)]),
    '',
    'Each flag can also be given by the environment (--check-interval as SOCKETIO_PROXY_CHECK_INTERVAL) and',
    'in the file of --config (as checkInterval); a flag beats the environment, which beats the file. A',
    'password in --redis can be seen in the list of processes until it has started: give it by one of these.',
  ].flatMap((line) => wrap(line, 0)).join('\n') + '\n';
}

function linesOf(flag: Flag): string[] {
  const { name, unit, text, fallback, type, short } = flag;
  const spelled = type === 'boolean' && fallback === 'true' ? `--no-${name}` : `--${name}`;
  const head = `  ${spelled}${short === undefined ? '' : `, -${short}`}${unit && type !== 'choice' ? ` <${unit}>` : ''}`;
  const choices = type === 'choice' ? `: ${unit.replaceAll('|', ', ')}` : '';
  const said = type === 'boolean' && fallback === 'true' ? `Without it: ${text[0]?.toLowerCase() ?? ''}${text.slice(1)}` : text;
  const shown = type !== 'boolean' && fallback !== undefined ? ` (${fallback})` : '';
  return wrap(`${head.padEnd(COLUMN - 1)} ${said}${choices}${shown}`, COLUMN);
}

/** Lines of at most `WIDTH`, all but the first one indented. */
function wrap(line: string, indent: number): string[] {
  if (line.length <= WIDTH) return [line];
  const at = line.lastIndexOf(' ', WIDTH);
  return [line.slice(0, at), ...wrap(' '.repeat(indent) + line.slice(at + 1), indent)];
}
