// Named arrays as little-endian chunks of bytes in a table: those of models, and those of checkpoints.

import type pg from 'pg';

/** Chunks of this size keep one row well below PostgreSQL's limit of 1 GiB and a message small. */
const CHUNK_BYTES = 4 << 20;

type Dtype = 'f32' | 'f64' | 'i32';
export type StoredValues = Float32Array | Float64Array | Int32Array;

export interface NamedArray<Values extends StoredValues = StoredValues> {
  name: string;
  shape: readonly number[];
  values: Values;
}

/** Columns that say whose arrays they are. */
type Owner = Record<string, number>;

export async function insertArrays(
  client: pg.PoolClient,
  table: 'model_tensors' | 'checkpoints',
  owner: Owner,
  arrays: readonly NamedArray[],
): Promise<void> {
  const names = Object.keys(owner);
  const parameters = [...names, 'name', 'chunk', 'position', 'shape', 'dtype', 'bytes'];
  const text = `insert into ${table} (${parameters.join(', ')})
    values (${parameters.map((_, i) => `$${i + 1}`).join(', ')})`;
  for (const [position, { name, shape, values }] of arrays.entries()) {
    const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    for (let chunk = 0; chunk === 0 || chunk * CHUNK_BYTES < bytes.length; chunk++) {
      const part = bytes.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES);
      await client.query(text, [
        ...Object.values(owner),
        ...[name, chunk, position, shape, dtypeOf(values), part],
      ]);
    }
  }
}

/** In the order in which they were stored; none where there are none. */
export async function readArrays(
  database: pg.Pool | pg.PoolClient,
  table: 'model_tensors' | 'checkpoints',
  owner: Owner,
): Promise<NamedArray[]> {
  const conditions = Object.keys(owner).map((name, i) => `${name} = $${i + 1}`);
  const { rows } = await database.query(
    `select name, shape, dtype, bytes from ${table} where ${conditions.join(' and ')} order by position, chunk`,
    Object.values(owner),
  );
  const known = new Map<string, { shape: number[]; dtype: Dtype; chunks: Buffer[] }>();
  for (const { name, shape, dtype, bytes } of rows) {
    const entry = known.get(name) ?? { shape, dtype, chunks: [] as Buffer[] };
    entry.chunks.push(bytes);
    known.set(name, entry);
  }
  return Array.from(known, ([name, { shape, dtype, chunks }]) => {
    // A fresh buffer: Buffer.concat may hand out an unaligned view of its pool.
    const bytes = new Uint8Array(Buffer.concat(chunks)).buffer;
    const values = toValues(dtype, bytes);
    return { name, shape, values };
  });
}

function toValues(dtype: Dtype, bytes: ArrayBuffer): StoredValues {
  switch (dtype) {
    case 'f32':
      return new Float32Array(bytes);
    case 'f64':
      return new Float64Array(bytes);
    case 'i32':
      return new Int32Array(bytes);
    default:
      return dtype satisfies never;
  }
}

function dtypeOf(values: StoredValues): Dtype {
  if (values instanceof Int32Array) return 'i32';
  return values instanceof Float64Array ? 'f64' : 'f32';
}
