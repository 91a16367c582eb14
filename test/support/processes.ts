import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

interface Process {
  pid: number;
  parent: number;
  /** One letter: `Z` for one that has ended, and whose parent has not looked yet. */
  state: string;
}

/** The processes of this machine. A bare Linux has no `ps`; elsewhere there is no `/proc`. */
function processes(): Process[] {
  if (process.platform !== 'linux') {
    const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat='], { encoding: 'utf8' });
    return Array.from(table.matchAll(/^\s*(\d+)\s+(\d+)\s+(\S)/gm), ([, pid, parent, state = '']) =>
      ({ pid: Number(pid), parent: Number(parent), state }));
  }
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      // The name, in parentheses, may hold anything.
      const [, state = '', parent] = /.*\) (\S) (\d+)/s.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? [];
      return [{ pid: Number(name), parent: Number(parent), state }];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}

/** The pids of the processes that run and have this parent. */
export function childrenOf(parent: number): number[] {
  return processes().filter((each) => each.parent === parent && each.state !== 'Z').map(({ pid }) => pid);
}

/** Whether a process runs. One that has ended may stay listed until whoever is its parent by then looks. */
export function isAlive(pid: number): boolean {
  return processes().some((each) => each.pid === pid && each.state !== 'Z');
}
