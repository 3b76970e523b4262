// A stream of bytes → lines of text, for small files without quoting. Bounded: of an over-long line only the start is kept.

import type { Readable } from 'node:stream';

const MAX_LINE_BYTES = 64 * 1024;
const NEWLINE = 10;

export interface TextLine {
  /** 1-based. */
  line: number;
  text: string;
  isOverlong: boolean;
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
