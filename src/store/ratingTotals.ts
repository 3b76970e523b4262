// Count and sum of the ratings of each user or movie, kept while rows are written for COPY: one look-up a rating here, beside
// a server that is busy with COPY, against two passes over the table there. An open-addressing table of typed arrays, because
// a Map of objects would take several times the memory. It counts every row, so it is only right where no pair is repeated.

/** With more keys (48 MiB) the totals are given up, and SQL computes them. */
const MAX_KEYS = 1 << 20;
const FIRST_SLOTS = 1 << 12;

export interface TotalColumns {
  ids: Int32Array;
  counts: Int32Array;
  sums: Float64Array;
}

export class RatingTotals {
  #ids = new Int32Array(FIRST_SLOTS);
  #counts = new Int32Array(FIRST_SLOTS);
  #sums = new Float64Array(FIRST_SLOTS);
  #size = 0;
  /** Multiplicative hashing: the upper bits of the product are the slot. */
  #shift = 32 - Math.log2(FIRST_SLOTS);
  #isGivenUp = false;

  /** id from 1; rating as a float4 has it. */
  add(id: number, rating: number): void {
    if (this.#isGivenUp) return;
    const slot = this.#slotOf(id);
    if (this.#ids[slot] === 0) {
      this.#ids[slot] = id;
      this.#size++;
    }
    this.#counts[slot]++;
    this.#sums[slot] += rating;
    if (this.#size * 2 > this.#ids.length) this.#grow();
  }

  /** null when there were too many to count. */
  columns(): TotalColumns | null {
    if (this.#isGivenUp) return null;
    return {
      ids: this.#ids.filter((id) => id !== 0),
      counts: this.#counts.filter((_, slot) => this.#ids[slot] !== 0),
      sums: this.#sums.filter((_, slot) => this.#ids[slot] !== 0),
    };
  }

  /** Where the id is, or the free slot for it. */
  #slotOf(id: number): number {
    const mask = this.#ids.length - 1;
    let slot = Math.imul(id, 0x9e3779b1) >>> this.#shift;
    while (this.#ids[slot] !== 0 && this.#ids[slot] !== id) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const [ids, counts, sums] = [this.#ids, this.#counts, this.#sums];
    this.#isGivenUp = this.#size > MAX_KEYS;
    const slots = this.#isGivenUp ? 0 : ids.length * 2;
    this.#ids = new Int32Array(slots);
    this.#counts = new Int32Array(slots);
    this.#sums = new Float64Array(slots);
    if (this.#isGivenUp) return;
    this.#shift--;
    for (const [from, known] of ids.entries()) {
      if (known === 0) continue;
      const slot = this.#slotOf(known);
      this.#ids[slot] = known;
      this.#counts[slot] = counts[from];
      this.#sums[slot] = sums[from];
    }
  }
}
