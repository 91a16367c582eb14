import { element } from './dom.js';

/**
 * A host's weight, to be changed in place: Enter or "Set" sends it, Escape takes it back. Leaving the field sends
 * nothing, since a slip would move traffic.
 */
export class WeightField {
  element;
  #input;
  #set = element('button', { class: 'small', hidden: '' }, 'Set');
  #weight;
  #send;

  constructor(host, send) {
    this.#send = send;
    this.#input = element('input', { type: 'number', min: '0', max: '1000', step: '1', 'aria-label': `Weight of ${host}` });
    this.#set.setAttribute('aria-label', `Set the weight of ${host}`);
    this.element = element('form', { class: 'weight', novalidate: '' }, this.#input, this.#set);
    this.#input.addEventListener('input', () => this.#mark());
    this.element.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      this.#take(this.#weight);
      this.#input.focus();
    });
    this.element.addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.#changed) void this.#submit();
    });
  }

  /** What is being typed stays. */
  show(weight) {
    const changed = this.#weight !== undefined && this.#changed;
    this.#weight = weight;
    if (changed) this.#mark();
    else this.#take(weight);
  }

  get #changed() {
    return this.#input.value !== String(this.#weight);
  }

  #take(weight) {
    if (this.#input.value !== String(weight)) this.#input.value = String(weight);
    this.#mark();
  }

  #mark() {
    this.#set.hidden = !this.#changed;
    this.element.classList.toggle('changed', this.#changed);
  }

  async #submit() {
    if (document.activeElement === this.#set) this.#input.focus();
    // An empty field, or one that holds no number, is sent as null: the server tells what it expects.
    if (await this.#send(this.#input.value === '' ? null : Number(this.#input.value))) this.#take(this.#weight = Number(this.#input.value));
  }
}
