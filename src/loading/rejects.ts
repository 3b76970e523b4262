// Lines that could not be read: kept with file, line number, raw text and reason, up to a limit.
// Past the limit the import stops, so that a wrong file is not half swallowed.

import { AppError } from '../errors.js';
import type { RejectedLine } from '../store/importRecord.js';

const TEXT_LIMIT = 1000;

export class Rejects {
  readonly lines: RejectedLine[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @throws AppError IMPORT_BAD_ROW when this is one reject too many */
  add(file: string, line: number, raw: string, reason: string): void {
    const reject = { file, line, raw: toStorable(raw), reason: toStorable(reason) };
    this.lines.push(reject);
    if (this.lines.length <= this.#limit) return;
    throw new AppError(
      'IMPORT_BAD_ROW',
      `${file} line ${line}: ${reject.reason} (reject ${this.lines.length}, --max-rejects is ${this.#limit}); nothing was imported`,
    );
  }

  countOf(file: string): number {
    return this.lines.filter((reject) => reject.file === file).length;
  }
}

/** Bounded, and without NUL, which PostgreSQL's text cannot hold. */
function toStorable(text: string): string {
  return text.slice(0, TEXT_LIMIT).replaceAll('\0', '\uFFFD');
}
