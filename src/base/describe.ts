/** An error's message, on one line. Node's AggregateError, for a name whose addresses all fail, has none itself. */
export function describe(error: Error): string {
  if (error.message !== '') return oneLine(error.message);
  if (error instanceof AggregateError) {
    return error.errors.map((each: unknown) => (each instanceof Error ? describe(each) : String(each))).join(', ');
  }
  return 'code' in error ? String(error.code) : error.name;
}

export function oneLine(text: string): string {
  return text.replaceAll(/\s*[\r\n]+\s*/g, ' ');
}
