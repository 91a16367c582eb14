type Cleanup = () => unknown;

const ofFile: Cleanup[] = [];
const ofTest: Cleanup[] = [];
let current = ofFile;

/**
 * Runs when the running test is over or, outside of one (`beforeAll`), when the file is: in reverse order, also after
 * a failure.
 */
export function onCleanup(cleanup: Cleanup): void {
  current.push(cleanup);
}

async function run(cleanups: Cleanup[]): Promise<void> {
  const errors: unknown[] = [];
  for (let next = cleanups.pop(); next; next = cleanups.pop()) {
    try {
      await next();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, 'clean-up failed');
}

beforeEach(() => {
  current = ofTest;
});
afterEach(async () => {
  current = ofFile;
  await run(ofTest);
});
afterAll(() => run(ofFile));
