/** What is answered instead of what was asked for. */
export class Problem extends Error {
  override name = 'Problem';
  readonly status: number;
  /** Stable, for programs. */
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** What a request asks for is mistaken. */
export function invalid(message: string): Problem {
  return new Problem(422, 'INVALID', message);
}
