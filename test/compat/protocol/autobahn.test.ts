// Cases after those of Autobahn's test suite, by Autobahn's own code on both sides: with a proxy between them, each has the
// outcome that it has without.
import { startProxy } from '../../support/proxy';
import { PythonFixture } from '../../support/python';
import { tested } from '../../support/tested';

const SECTIONS = [
  ['1', 'framing'], ['2', 'pings and pongs'], ['3', 'reserved bits'], ['4', 'opcodes'], ['5', 'fragments'], ['6', 'UTF-8'],
  ['7', 'closes'], ['9', 'limits'], ['10', 'automatic fragments'], ['12', 'compression'], ['13', 'its parameters'],
] as const;

/** What both sides have seen at the end of a case. */
interface Outcome {
  /** What the side that says the frames has got back. */
  seen: [kind: string, payload: string][];
  /** Of the other side's close. */
  code: number | null;
  reason: string | null;
  clean: boolean;
  compressed: boolean;
  /** The other side has closed before it was asked to. */
  closes_first: boolean;
}

let fixture: PythonFixture;
let direct: number;
let proxied: number;
let cases: [name: string, expected: Outcome][];

beforeAll(async () => {
  fixture = new PythonFixture('autobahn_cases.py');
  direct = await fixture.call<number>('start');
  cases = await fixture.call('names');
  proxied = (await startProxy({ hosts: [`127.0.0.1:${direct}`] })).port;
});

const sectionOf = (name: string): string => name.split('.', 1)[0] ?? '';

it('has cases in each section, and none elsewhere', () => {
  expect([...new Set(cases.map(([name]) => sectionOf(name)))]).toEqual(SECTIONS.map(([section]) => section));
});

describe.each(['client', 'server'])('the %s says the frames', (by) => {
  it.each(SECTIONS)('%s: %s', async (section) => {
    const expected = cases.filter(([name]) => sectionOf(name) === section);
    const outcomes = async (port: number): Promise<typeof cases> => {
      const all: typeof cases = [];
      for (const [name] of expected) all.push([name, await fixture.call<Outcome>('run_case', port, name, by)]);
      return all;
    };
    expect(await outcomes(direct)).toEqual(expected);
    expect(await outcomes(proxied)).toEqual(expected);
    tested('Client', 'WebSocket of Autobahn in Python', await fixture.versionOf('autobahn'));
  });
});
