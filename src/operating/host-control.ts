import { isObject, MAX_DELAY, numberOf, wrong } from '../base/checks';
import { hostOf, weightOf } from '../hosts/host-options';
import type { Hosts } from '../hosts/hosts';
import type { Draining, Moves } from './moves';
import type { DrainOptions } from './operator';
import { movesPerSecondOf } from './pace';

/** Changes the hosts of this proxy. */
export class HostControl {
  readonly #hosts: Hosts;
  readonly #moves: Moves;

  constructor(hosts: Hosts, moves: Moves) {
    this.#hosts = hosts;
    this.#moves = moves;
  }

  /** @throws TypeError if the host is malformed or already exists, or if the weight is invalid. */
  add(host: string, weight: unknown = 1): void {
    this.#hosts.add(hostOf('host', host, weightOf('weight', weight)));
  }

  /** @throws Error if the host is unknown, as do all methods below. */
  remove(host: string): void {
    this.#hosts.remove(host);
  }

  drain(name: string, draining: Draining): void {
    const host = this.#hosts.named(name);
    const isNew = !host.draining;
    this.#hosts.drain(name);
    // Draining again without a deadline keeps an earlier one.
    if (isNew || draining.deadline !== undefined) this.#moves.drain(host, draining);
  }

  /** Drains just so: without a deadline, an earlier one no longer holds. */
  drainAfresh(name: string, draining: Draining): void {
    this.#hosts.drain(name);
    this.#moves.drain(this.#hosts.named(name), draining);
  }

  undrain(host: string): void {
    this.#hosts.undrain(host);
  }

  setWeight(host: string, weight: unknown): void {
    this.#hosts.setWeight(host, weightOf('weight', weight));
  }
}

/** @throws TypeError if an option is unknown or out of its bounds. */
export function drainingOf(options: DrainOptions): Draining {
  checkNames(options, 'deadline', 'movesPerSecond', 'scope');
  const { deadline, movesPerSecond = 5, scope } = options;
  if (deadline !== undefined) numberOf('deadline', deadline, 0, MAX_DELAY);
  movesPerSecondOf('movesPerSecond', movesPerSecond);
  return { deadline, movesPerSecond, alone: scope === 'proxy' };
}

/** @throws TypeError if `options` is not an object, or has a name that is not listed. */
export function checkNames(options: unknown, ...names: string[]): void {
  if (!isObject(options)) throw wrong('options', 'be an object', options);
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) throw new TypeError(`'${name}' is not an option; expected ${names.join(', ')}`);
  }
}
