import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

interface Process {
  pid: number;
  parent: number;
  /** One letter: `Z` for one that has ended, and whose parent has not looked yet. */
  state: string;
}

/** What Linux tells of a process; `undefined` where it has ended. */
function processOf(pid: number): Process | undefined {
  try {
    // The name, in parentheses, may hold anything.
    const [, state = '', parent] = /.*\) (\S) (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
    return { pid, parent: Number(parent), state };
  } catch {
    return undefined;
  }
}

/** Of these processes, or of all of this machine, those that there are. A bare Linux has no `ps`; elsewhere there is no `/proc`. */
function processes(pids?: readonly number[]): Process[] {
  if (process.platform !== 'linux') {
    const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat='], { encoding: 'utf8' });
    return Array.from(table.matchAll(/^\s*(\d+)\s+(\d+)\s+(\S)/gm), ([, pid, parent, state = '']) =>
      ({ pid: Number(pid), parent: Number(parent), state }));
  }
  const all = pids ?? readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number);
  return all.flatMap((pid) => processOf(pid) ?? []);
}

/** On most Linuxes; all processes are too many to look at each time. */
function listedChildren(parent: number): number[] | undefined {
  try {
    return readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return undefined;
  }
}

/** The pids of the processes that run and have this parent. */
export function childrenOf(parent: number): number[] {
  return processes(listedChildren(parent)).filter((each) => each.parent === parent && each.state !== 'Z').map(({ pid }) => pid);
}

/** Whether a process runs. One that has ended may stay listed until whoever is its parent by then looks. */
export function isAlive(pid: number): boolean {
  return processes([pid]).some((each) => each.pid === pid && each.state !== 'Z');
}
