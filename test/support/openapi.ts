import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv2020, { type ValidateFunction } from 'ajv/dist/2020';
import type { Reply } from './http';

export const DESCRIPTION = join(__dirname, '../../src/admin/openapi.json');

type Content = Record<string, { schema: object }>;

interface Response {
  $ref?: string;
  content?: Content;
  headers?: Record<string, object>;
}

interface Operation {
  requestBody?: { content: Content };
  responses: Record<string, Response>;
}

export interface Description {
  paths: Record<string, Record<string, Operation | undefined>>;
  components: { responses: Record<string, Response>; schemas: Record<string, object> };
}

const METHODS = ['get', 'post', 'patch', 'delete'];

/** The admin API as it is described: what is answered is held against it, and what was not provoked is known. */
export class Contract {
  readonly description = JSON.parse(readFileSync(DESCRIPTION, 'utf8')) as Description;
  readonly #ajv = new Ajv2020({ strict: false, validateSchema: false, allErrors: true });
  readonly #seen = new Set<string>();

  constructor() {
    this.#ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    this.#ajv.addSchema(this.description, 'openapi');
  }

  /** Each as `GET /api/hosts`. */
  get operations(): string[] {
    return Object.entries(this.description.paths).flatMap(([path, item]) =>
      METHODS.filter((method) => item[method]).map((method) => `${method.toUpperCase()} ${path}`));
  }

  /** Each as `GET /api/hosts 200`. */
  get answers(): string[] {
    return this.operations.flatMap((name) => Object.keys(this.#operation(name).responses).map((status) => `${name} ${status}`));
  }

  /** What is described, and no answer that was held against it was. */
  get unseen(): string[] {
    return this.answers.filter((answer) => !this.#seen.has(answer));
  }

  describes(operation: string, status: number): boolean {
    return this.#operation(operation).responses[status] !== undefined;
  }

  /** @throws Error when the answer to such a request is none that is described. */
  check(operation: string, { status, headers, body }: Reply): void {
    const response = this.#response(operation, status);
    const type = headers['content-type']?.replace(/;.*/, '');
    const content = Object.entries(response.content ?? {}).find(([described]) => described === type)?.[1];
    if (response.content && !content) throw new Error(`${operation} ${status}: ${type ?? 'no type'} is not described`);
    if (!response.content && body !== '') throw new Error(`${operation} ${status}: no body is described`);
    for (const name of Object.keys(response.headers ?? {})) {
      if (headers[name.toLowerCase()] === undefined) throw new Error(`${operation} ${status}: there is no ${name}`);
    }
    if (content) {
      const value: unknown = type === 'application/json' ? JSON.parse(body) : body;
      this.#match(this.#ajv.compile(this.#rooted(content.schema)), value, `${operation} ${status}`);
    }
    this.#seen.add(`${operation} ${status}`);
  }

  /** @throws Error when the value is not as a named schema says. */
  matches(schema: string, value: unknown): void {
    this.#match(this.#ajv.compile({ $ref: `openapi#/components/schemas/${schema}` }), value, schema);
  }

  /** Whether a request's body is as described. */
  takes(operation: string, body: unknown): boolean {
    const schema = this.#operation(operation).requestBody?.content['application/json']?.schema;
    if (!schema) throw new Error(`${operation} has no body`);
    return this.#ajv.validate(this.#rooted(schema), body);
  }

  #match(validate: ValidateFunction, value: unknown, what: string): void {
    if (validate(value)) return;
    throw new Error(`${what}: ${this.#ajv.errorsText(validate.errors)} in ${JSON.stringify(value)}`);
  }

  /** References within the description, from outside. */
  #rooted(schema: object): object {
    return JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"openapi#/')) as object;
  }

  #response(operation: string, status: number): Response {
    const response = this.#operation(operation).responses[status];
    if (!response) throw new Error(`${operation} ${status} is not described`);
    const name = response.$ref?.replace('#/components/responses/', '');
    return name === undefined ? response : this.description.components.responses[name] ?? {};
  }

  #operation(name: string): Operation {
    const [method = '', path = ''] = name.split(' ');
    const operation = this.description.paths[path]?.[method.toLowerCase()];
    if (!operation) throw new Error(`${name} is not described`);
    return operation;
  }
}
