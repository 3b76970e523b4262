// What n steps without a gradient do to a row under dense momentum and L2, tabulated for the shaders (skips.wgsl): powers of a
// 2 × 2 matrix, in float64, since a row may have skipped a whole epoch.

import { l2Of } from '../batches.js';
import type { OptimizerSettings } from '../engine.js';
import { SKIPS } from './layout.js';

/** w ← ww·w + wv·v, v ← vw·w + vv·v. */
interface Map2 {
  ww: number;
  wv: number;
  vw: number;
  vv: number;
}

const NOTHING: Map2 = { ww: 1, wv: 0, vw: 0, vv: 1 };

/** More steps than this are never skipped: the tables end there. */
export const MOST_SKIPPED = SKIPS * SKIPS - 1;

/** (4 × SKIPS × 4): for embeddings 0 … SKIPS − 1 steps, then so many times SKIPS; then the same for biases. */
export function skipTables(optimizer: OptimizerSettings, learningRate: number): Float32Array {
  const tables = ['user_embeddings', 'user_biases'].flatMap((name) => {
    const pull = learningRate * 2 * l2Of(optimizer, name);
    const one = { ww: 1 - pull, wv: optimizer.momentum, vw: -pull, vv: optimizer.momentum };
    const single = powersOf(one);
    return [...single.slice(0, SKIPS), ...powersOf(single[SKIPS]).slice(0, SKIPS)];
  });
  return Float32Array.from(tables.flatMap(({ ww, wv, vw, vv }) => [ww - 1, wv, vw, vv]));
}

/** 0 … SKIPS times. */
function powersOf(one: Map2): Map2[] {
  const powers = [NOTHING];
  for (let n = 1; n <= SKIPS; n++) powers.push(after(one, powers[n - 1]));
  return powers;
}

/** First a, then b. */
function after(b: Map2, a: Map2): Map2 {
  return {
    ww: b.ww * a.ww + b.wv * a.vw,
    wv: b.ww * a.wv + b.wv * a.vv,
    vw: b.vw * a.ww + b.vv * a.vw,
    vv: b.vw * a.wv + b.vv * a.vv,
  };
}

/** A row as it stands after n skipped steps, by the same tables as the device. */
export function afterSkips(
  tables: Float32Array,
  kind: 'embeddings' | 'biases',
  n: number,
  w: number,
  v: number,
): { w: number; v: number } {
  const first = kind === 'embeddings' ? 0 : 2 * SKIPS;
  const state = skip(tables, first + (n % SKIPS), { w, v });
  return n < SKIPS ? state : skip(tables, first + SKIPS + Math.floor(n / SKIPS), state);
}

function skip(tables: Float32Array, row: number, { w, v }: { w: number; v: number }) {
  const [ww, wv, vw, vv] = tables.subarray(row * 4, row * 4 + 4);
  return { w: w + (ww * w + wv * v), v: vw * w + vv * v };
}
