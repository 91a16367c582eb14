import type { IncomingHttpHeaders } from 'node:http';
import { Field, fieldOf } from '../base/fields';
import type { RequestHead } from '../base/request-head';
import type { Host } from '../hosts/host';
import { isHost } from '../routing/request-checks';
import { copyOf } from '../sessions/binding';
import { fieldLines, limitEncodings, otherHeaders, type HeaderRules } from './headers';

/** A field of visible ASCII and single parts: not folded, not empty, with nothing but one space after the colon. */
const LINE = /([A-Za-z\d-]+): ([!-~](?:[ -~]*[!-~])?)\r\n/y;

/** A `Content-Length` that cannot be read in two ways. */
const LENGTH = /^(?:0|[1-9]\d{0,6})$/;

/** More of them are not plain: nobody sends them, and servers limit their number. */
const MAX_FIELDS = 100;

/** What the fields say. */
interface Content {
  /** A flat list of names and values. */
  readonly rawHeaders: string[];
  /** The values by name in lower case. */
  readonly headers: IncomingHttpHeaders;
  /** The length of the body, in bytes; `undefined` if none is announced. */
  readonly length: number | undefined;
}

/**
 * Header fields that every server reads alike: each name stands once, and none of them frames the message or concerns
 * the connection but `Content-Length` and `Connection: keep-alive`.
 */
export class PlainFields {
  /** The fields as they came, each with its line break. */
  readonly text: string;
  /** The length of the body, in bytes; `undefined` if none is announced. */
  readonly length: number | undefined;
  /** The client's `Host`. */
  #host: string | undefined;
  /** What hosts get of the fields, but for `Host`. A client sends the same fields again and again. */
  #lines: string | undefined;
  #handshakeLines: string | undefined;

  private constructor(text: string, length: number | undefined) {
    this.text = text;
    this.length = length;
  }

  /** `undefined` unless the fields are plain. */
  static of(text: string): PlainFields | undefined {
    const content = contentOf(text);
    return content && new PlainFields(copyOf(text), content.length);
  }

  /** Read again when asked for, which is seldom: kept, it would be the largest part of a held poll. */
  get content(): Content {
    return contentOf(this.text) ?? { rawHeaders: [], headers: {}, length: undefined };
  }

  /** The fields for a host, as in {@link requestHeaders}. */
  linesFor(host: Host, req: RequestHead, rules: HeaderRules, isHandshake: boolean): string {
    const name = rules.changeOrigin ? host.url.host : this.#host ??= req.headers.host ?? '';
    const lines = isHandshake ? this.#handshakeLines ??= linesOf(limitEncodings(otherHeaders(req, rules), rules))
      : this.#lines ??= linesOf(otherHeaders(req, rules));
    return `Host: ${name}\r\n${lines}`;
  }
}

/** Copied, since what is put together of many parts takes more memory. */
function linesOf(headers: readonly string[]): string {
  return copyOf(fieldLines(headers));
}

function contentOf(text: string): Content | undefined {
  const rawHeaders: string[] = [];
  const headers = Object.create(null) as IncomingHttpHeaders;
  LINE.lastIndex = 0;
  while (LINE.lastIndex < text.length) {
    const [, name = '', value = ''] = LINE.exec(text) ?? [];
    const key = name.toLowerCase();
    if (key in headers || !isPlain(name, value)) return undefined;
    rawHeaders.push(name, value);
    headers[key] = value;
  }
  // Without `Host`, a server refuses the request.
  if (headers.host === undefined || rawHeaders.length > 2 * MAX_FIELDS) return undefined;
  const length = headers['content-length'];
  return { rawHeaders, headers, length: length === undefined ? undefined : Number(length) };
}

/** @param name `''` if the line is no plain field. */
function isPlain(name: string, value: string): boolean {
  switch (fieldOf(name)) {
    case Field.EndToEnd: case Field.Forwarded: case Field.ForwardedElse: case Field.RequestId: return true;
    case Field.Host: return isHost(value);
    case Field.Connection: return value.toLowerCase() === 'keep-alive';
    case Field.ContentLength: return LENGTH.test(value);
    default: return false;
  }
}
