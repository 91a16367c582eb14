import { Writable } from 'node:stream';
import { Log } from '../../../src/cli/log/log';
import { StatusLine } from '../../../src/cli/log/status-line';

const MIB = 1024 * 1024;

it('holds no more than a MiB of log for a reader that has stalled', () => {
  const stalled = new Writable({ write: () => {} });
  const log = new Log('text', new StatusLine(stalled));
  const line = 'x'.repeat(1023);
  for (let i = 0; i < 2000; i += 1) log.info('closed', line);
  expect(stalled.writableLength).toBe(MIB);
});
