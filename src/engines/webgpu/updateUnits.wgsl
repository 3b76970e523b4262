// Hidden units: thread t has a unit of the group, a chunk of eight inputs and a slice of the tiles. The first OWNERS threads own a weight
// each, number t of (chunk × unit × input): they add its slices up and move it.

const OWNERS = CHUNKS_AT_ONCE * UNITS * 8u;
const SLICES = UPDATE_THREADS / (CHUNKS_AT_ONCE * UNITS);
/** Threads that add up the slices of a weight. */
const SHARED_OUT = UPDATE_THREADS / OWNERS;

/** Of the thread's unit and chunk over its slice: two for each thread. */
var<workgroup> sums: array<vec4f, 2u * UPDATE_THREADS>;
var<workgroup> parts: array<f32, UPDATE_THREADS>;

struct Chunk {
  low: vec4f,
  high: vec4f,
}

fn update_units(group: u32, t: u32) {
  let own_h = group * UNITS + t / 8u % UNITS;
  let is_owner = t < OWNERS && own_h < H;
  var output_weight = 0.0;
  if (is_owner) { output_weight = dense[OUTPUT_WEIGHTS_AT + own_h]; }
  var output_slope = 0.0;
  for (var first = 0u; first < SCALED / 8u; first += CHUNKS_AT_ONCE) {
    let k = (first + t / (8u * UNITS)) * 8u + t % 8u;
    let moves = is_owner && k <= X;
    let at = select(HIDDEN_BIASES_AT + own_h, k * H + own_h, k < X);
    var element = Element();
    // Read early: by the time that the sums are there, so is this.
    if (moves) { element = dense_element(at); }
    let total = sum_slices(sum_samples(group, first, t), t);
    if (moves) {
      output_slope += element.w * total;
      move_dense(at, element, output_weight * total, select(0.0, PULL_WEIGHTS, k < X));
    }
  }
  workgroupBarrier();
  parts[t] = output_slope;
  workgroupBarrier();
  move_output_weight(group, t);
}

fn move_output_weight(group: u32, t: u32) {
  let h = group * UNITS + t;
  if (t >= UNITS || h >= H) { return; }
  var slope = 0.0;
  for (var chunk = 0u; chunk < CHUNKS_AT_ONCE; chunk++) {
    for (var n = 0u; n < 8u; n++) { slope += parts[(chunk * UNITS + t) * 8u + n]; }
  }
  let at = OUTPUT_WEIGHTS_AT + h;
  move_dense(at, dense_element(at), slope, PULL_WEIGHTS);
}

/** S[h] of a slice of the samples, for the inputs of a chunk. */
fn sum_samples(group: u32, first_chunk: u32, t: u32) -> Chunk {
  let tiles = (step.samples + TILE - 1u) / TILE;
  let h = group * UNITS + t % UNITS;
  let chunk = first_chunk + t / UNITS % CHUNKS_AT_ONCE;
  let slice = t / (UNITS * CHUNKS_AT_ONCE);
  var sum = Chunk();
  if (h >= H || chunk >= SCALED / 8u || slice >= SLICES) { return sum; }
  // Two at a time, so that what they read is on the way together. Where there is no second one, the last is read again, with no bits.
  for (var tile = slice; tile < tiles; tile += 2u * SLICES) {
    let second = min(tile + SLICES, tiles - 1u);
    let bits = bits_of_unit(tile, h);
    let second_bits = select(0u, bits_of_unit(second, h), second == tile + SLICES);
    sum = add_tile(add_tile(sum, bits, tile, chunk), second_bits, second, chunk);
  }
  return sum;
}

fn bits_of_unit(tile: u32, h: u32) -> u32 {
  return bits_in(marks[BITS_AT + tile * WORDS + word_of(h)], h);
}

fn add_tile(before: Chunk, bits: u32, tile: u32, chunk: u32) -> Chunk {
  let at = tile * TILE * (SCALED / 4u) + chunk * 2u;
  let sum = add_four(before, ones_of(bits, 0u), at);
  if (QUADS == 1u) { return sum; }
  return add_four(sum, ones_of(bits, 4u), at + SCALED);
}

/** Samples one after the other, each SCALED numbers long. */
fn add_four(before: Chunk, on: vec4f, at: u32) -> Chunk {
  var sum = add_sample(before, on.x, at);
  sum = add_sample(sum, on.y, at + SCALED / 4u);
  sum = add_sample(sum, on.z, at + SCALED / 2u);
  return add_sample(sum, on.w, at + SCALED / 4u * 3u);
}

fn add_sample(sum: Chunk, on: f32, at: u32) -> Chunk {
  return Chunk(fma(vec4f(on), work[at], sum.low), fma(vec4f(on), work[at + 1u], sum.high));
}

/** For an owner: the sum of its weight's slices. */
fn sum_slices(own: Chunk, t: u32) -> f32 {
  sums[2u * t] = own.low;
  sums[2u * t + 1u] = own.high;
  workgroupBarrier();
  let owner = t % OWNERS;
  var sum = 0.0;
  for (var slice = t / OWNERS; slice < SLICES; slice += SHARED_OUT) {
    sum += sums[(slice * OWNERS + owner) / 4u][owner % 4u];
  }
  parts[t] = sum;
  workgroupBarrier();
  for (var n = 1u; n < SHARED_OUT; n++) { sum += parts[n * OWNERS + owner]; }
  return sum;
}
