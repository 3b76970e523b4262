// A stream of bytes → lines of text → rows, for small files without quoting. Bounded: of an over-long line only the start is kept.

import type { Readable } from 'node:stream';
import { AppError } from '../errors.js';
import { addRow, type ParsedFile } from './movies.js';
import type { Rejects } from './rejects.js';

const MAX_LINE_BYTES = 64 * 1024;
const NEWLINE = 10;

export interface TextLine {
  /** 1-based. */
  line: number;
  text: string;
  isOverlong: boolean;
}

/** toFields gives the row without its line, or the reason why there is none. */
export async function parseLines<Row extends { line: number }>(
  file: string,
  stream: Readable,
  rejects: Rejects,
  toFields: (text: string) => Omit<Row, 'line'> | string,
): Promise<ParsedFile<Row>> {
  const parsed: ParsedFile<Row> = { rows: [], linesRead: 0 };
  for await (const { line, text, isOverlong } of readLines(stream)) {
    parsed.linesRead++;
    const fields = explainText(text, isOverlong) ?? toFields(text);
    if (typeof fields === 'string') rejects.add(file, line, text, fields);
    else addRow(file, parsed, { ...fields, line } as Row);
  }
  if (parsed.linesRead === 0) throw new AppError('IMPORT_BAD_HEADER', `${file} is empty`);
  return parsed;
}

/** Why a line cannot be read at all; null where it can. */
export function explainText(text: string, isOverlong: boolean): string | null {
  if (isOverlong) return 'line is longer than 65536 bytes';
  if (text.trim() === '') return 'line is empty';
  return text.includes('\0') ? 'a character is NUL' : null;
}

/** Without line ends. UTF-8 where a line is that, and ISO-8859-1 where it is not, as MovieLens' older sets are. */
export async function* readLines(stream: Readable): AsyncGenerator<TextLine> {
  let [line, kept, isOverlong] = [0, Buffer.alloc(0) as Buffer, false];
  const toLine = (): TextLine => ({ line: ++line, text: decode(kept), isOverlong });
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      add(chunk.subarray(start, end));
      yield toLine();
      [kept, isOverlong, start] = [Buffer.alloc(0), false, end + 1];
    }
    add(chunk.subarray(start));
  }
  if (kept.length > 0) yield toLine();

  function add(bytes: Buffer): void {
    isOverlong ||= kept.length + bytes.length > MAX_LINE_BYTES;
    kept = Buffer.concat([kept, bytes.subarray(0, MAX_LINE_BYTES - kept.length)]);
  }
}

function decode(bytes: Buffer): string {
  const utf8 = bytes.toString('utf8');
  const text = utf8.includes('\uFFFD') ? bytes.toString('latin1') : utf8;
  return text.replace(/\r$/, '').replace(/^\uFEFF/, '');
}
