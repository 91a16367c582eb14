import type { IncomingMessage, ServerResponse } from 'node:http';
import { Problem } from './problems';
import type { Reply } from './reply';

/** A request, as far as its handler needs it. */
export interface Asked {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly path: string;
  /** What stands in the path for each of the route's variables, decoded. */
  readonly params: readonly string[];
  readonly query: URLSearchParams;
}

/** Returns the answer; or none, where it has answered itself. Throws Problem. */
export type Handler = (asked: Asked) => Reply | undefined | Promise<Reply | undefined>;

export interface Route {
  /** As in `/api/hosts/{host}`. */
  readonly path: string;
  /** It needs no token. */
  readonly isPublic?: boolean;
  readonly methods: Readonly<Partial<Record<'GET' | 'POST' | 'PATCH' | 'DELETE', Handler>>>;
}

/** A route, and what stands in the path for its variables. */
export interface Found {
  readonly route: Route;
  readonly params: readonly string[];
}

/** Which route a path takes. */
export class Routes {
  readonly #patterns: readonly { readonly route: Route; readonly pattern: RegExp }[];

  constructor(routes: readonly Route[]) {
    this.#patterns = routes.map((route) => ({
      route, pattern: new RegExp(`^${route.path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '([^/]+)')}$`),
    }));
  }

  find(path: string): Found | undefined {
    for (const { route, pattern } of this.#patterns) {
      const match = pattern.exec(path);
      const params = match && decoded(match.slice(1));
      if (params) return { route, params };
    }
    return undefined;
  }
}

/** @throws Problem when the route is of other methods. */
export function handlerOf({ methods }: Route, method: string): Handler {
  // A HEAD is answered as a GET, and Node leaves out the body.
  const name = method === 'HEAD' ? 'GET' : method;
  const handler = new Map(Object.entries(methods)).get(name);
  if (handler) return handler;
  const names = Object.keys(methods).flatMap((each) => (each === 'GET' ? ['GET', 'HEAD'] : [each]));
  throw new Problem('METHOD_NOT_ALLOWED', `expected ${names.join(', ')}`, { Allow: names.join(', ') });
}

/** `undefined` where one is malformed. */
function decoded(params: readonly string[]): readonly string[] | undefined {
  try {
    return params.map(decodeURIComponent);
  } catch {
    return undefined;
  }
}
