/** Server-sent events out of text in pieces of any size. */
export class EventParser {
  #rest = '';
  #type = '';
  #data = [];
  /** Of the last event that had one. */
  lastId = '';

  /** @returns the events that the piece completes: `{ type, data }`. */
  push(text) {
    // A CR at the end may be half of a CRLF.
    const all = this.#rest + text;
    const lines = all.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    return lines.map((line) => this.#line(line)).filter((event) => event !== undefined);
  }

  #line(line) {
    if (line === '') return this.#end();
    const [, field, value] = /^([^:]*)(?:: ?)?(.*)$/s.exec(line);
    if (field === 'event') this.#type = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.lastId = value;
    return undefined;
  }

  #end() {
    const event = { type: this.#type || 'message', data: this.#data.join('\n') };
    const empty = this.#data.length === 0;
    this.#type = '';
    this.#data = [];
    return empty ? undefined : event;
  }
}
