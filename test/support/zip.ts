// A .zip writer as small as the format allows: no dates, no folders of their own, no zip64.

import { crc32, deflateRawSync } from 'node:zlib';

/** What is packed already. */
export interface Packed {
  /** Raw deflate. */
  packed: Buffer;
  size: number;
  sum: number;
}

/** Path in the archive → content. `compress: false` stores the bytes as they are. */
export function zip(files: Record<string, string | Buffer | Packed>, { compress = true } = {}): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [path, content] of Object.entries(files)) {
    const name = Buffer.from(path);
    const { packed, size, sum } =
      typeof content === 'string' || Buffer.isBuffer(content) ? pack(content, compress) : content;
    const common = entryFields(compress ? 8 : 0, sum, packed.length, size, name.length);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, name, packed]);
    const end = Buffer.alloc(14);
    end.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\0'), common, end, name]));
    locals.push(local);
    offset += local.length;
  }
  const entries = Buffer.concat(directory);
  return Buffer.concat([...locals, entries, endOfDirectory(directory.length, entries.length, offset)]);
}

function pack(text: string | Buffer, compress: boolean): Packed {
  const content = Buffer.from(text as string);
  const packed = compress ? deflateRawSync(content) : content;
  return { packed, size: content.length, sum: crc32(content) };
}

/** What a local header and a directory entry share: version, flags (UTF-8 names), method, time, sum, sizes, lengths. */
function entryFields(method: number, sum: number, packed: number, size: number, nameLength: number): Buffer {
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(0x800, 2);
  fields.writeUInt16LE(method, 4);
  fields.writeUInt32LE(sum, 10);
  fields.writeUInt32LE(packed, 14);
  fields.writeUInt32LE(size, 18);
  fields.writeUInt16LE(nameLength, 22);
  return fields;
}

function endOfDirectory(entries: number, bytes: number, offset: number): Buffer {
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(entries, 8);
  end.writeUInt16LE(entries, 10);
  end.writeUInt32LE(bytes, 12);
  end.writeUInt32LE(offset, 16);
  return end;
}
