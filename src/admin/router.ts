import type { IncomingMessage, ServerResponse } from 'node:http';
import { Problem } from './problems';
import type { Reply } from './reply';

/** A request, for a handler. */
export interface Asked {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly path: string;
  /** The decoded values of the route's path variables. */
  readonly params: readonly string[];
  readonly query: URLSearchParams;
}

/** Returns the reply; `undefined` if the handler has answered by itself. @throws Problem */
export type Handler = (asked: Asked) => Reply | undefined | Promise<Reply | undefined>;

export interface Route {
  /** For example `/api/hosts/{host}`. */
  readonly path: string;
  /** Needs no token. */
  readonly isPublic?: boolean;
  readonly methods: Readonly<Partial<Record<'GET' | 'POST' | 'PATCH' | 'DELETE', Handler>>>;
}

/** A route, with the values of its path variables. */
export interface Found {
  readonly route: Route;
  readonly params: readonly string[];
}

/** Finds the route of a path. */
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

/** @throws Problem if the route does not allow the method. */
export function handlerOf({ methods }: Route, method: string): Handler {
  // HEAD is handled as GET: Node omits the body.
  const name = method === 'HEAD' ? 'GET' : method;
  const handler = new Map(Object.entries(methods)).get(name);
  if (handler) return handler;
  const names = Object.keys(methods).flatMap((each) => (each === 'GET' ? ['GET', 'HEAD'] : [each]));
  throw new Problem('METHOD_NOT_ALLOWED', `expected ${names.join(', ')}`, { Allow: names.join(', ') });
}

/** `undefined` if a parameter is malformed. */
function decoded(params: readonly string[]): readonly string[] | undefined {
  try {
    return params.map(decodeURIComponent);
  } catch {
    return undefined;
  }
}
