// Calls on something that is open, one after another, until it is closed. For what the kernels of engines/cpu hold: they take one
// call at a time, and callers need not wait for each.

import assert from 'node:assert/strict';

export class Turns<Held extends { close(): Promise<void> }> {
  readonly #what: string;
  readonly #held: Held;
  #last: Promise<unknown> = Promise.resolve();
  #isOpen = true;

  constructor(what: string, held: Held) {
    this.#what = what;
    this.#held = held;
  }

  take<T>(work: (held: Held) => T | Promise<T>): Promise<T> {
    const turn = this.#last.then(() => {
      assert(this.#isOpen, `the ${this.#what} is closed`);
      return work(this.#held);
    });
    this.#last = turn.catch(() => {});
    return turn;
  }

  close(): Promise<void> {
    const turn = this.#last.then(() => {
      if (!this.#isOpen) return;
      this.#isOpen = false;
      return this.#held.close();
    });
    this.#last = turn.catch(() => {});
    return turn;
  }
}
