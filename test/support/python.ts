import { find } from '../../scripts/programs';
import { Remote } from './remote';

// Looked for once: it takes the time of Python's start.
const execPath = find('python3');

/**
 * A fixture of Python, in a process of its own. Node's channel speaks JSON in lines to a process that is not Node.js, on
 * the descriptor that `NODE_CHANNEL_FD` names.
 */
export class PythonFixture extends Remote {
  constructor(fixture: string) {
    if (execPath === undefined) throw new Error('no python3 that can import what the tests need: see scripts/ensure-programs.mjs');
    // Without files of bytecode beside the fixtures.
    super(fixture, ['-B'], { execPath, serialization: 'json' });
  }

  /** The version of a package that it runs on. */
  versionOf(name: string): Promise<string> {
    return this.call<string>('version_of', name);
  }
}
