// Phase B of a step: parameters are moved by the batch. Workgroups in this order: UNIT_GROUPS for the hidden units, one for the output
// bias and the loss, and two halves for the rows of users and of movies. No two workgroups write the same number.
//
//   S[h] = Σ_i on_ih·e_i·X[i]      ∂/∂W[h] = w₂[h]·S[h]      ∂/∂w₂[h] = W[h]·S[h]

@compute @workgroup_size(UPDATE_THREADS)
fn update(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) t: u32,
) {
  let begun = marks[BEGUN_AT];
  begin_step(begun - 1u);
  if (group.x < UNIT_GROUPS) {
    update_units(group.x, t);
  } else if (group.x == UNIT_GROUPS) {
    finish_batch(t);
    if (t == 0u) { dense[FINISHED_AT] = f32(begun); }
  } else {
    let half = (groups.x - UNIT_GROUPS - 1u) / 2u;
    let of_rows = group.x - UNIT_GROUPS - 1u;
    update_rows(of_rows % half, of_rows / half, t);
  }
}

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

// The output bias and the loss.

var<workgroup> totals: array<vec2f, UPDATE_THREADS>;

fn finish_batch(t: u32) {
  var total = vec2f();
  for (var i = t; i < step.samples; i += UPDATE_THREADS) {
    let difference = bitcast<f32>(marks[ERRORS_AT + i]);
    total += vec2f(difference, difference * difference);
  }
  totals[t] = total;
  for (var width = UPDATE_THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (t < width) { totals[t] += totals[t + width]; }
  }
  if (t > 0u) { return; }
  move_dense(OUTPUT_BIAS_AT, dense_element(OUTPUT_BIAS_AT), totals[0].x * (2.0 / f32(step.samples)), 0.0);
  dense[LOSSES_AT + step.loss] = totals[0].y;
}

// Rows of users (side 0) and movies (side 1): ROW_LANES threads have one sample each, and look for the others about the same row. The
// first of them owns it: sums the slopes of all of them, its own first and the others in a fixed order, and moves the row. Integers are
// compared, no number is added atomically, so the same batch gives the same bits.

/** Numbers of a row that a thread has. */
const NUMBERS = (W + ROW_LANES - 1u) / ROW_LANES;

/** Samples that are compared with at a time: 32 by each thread of those that share a sample. At most four for each thread. */
const BLOCK = 32u * ROW_LANES;

var<workgroup> batch_ids: array<vec4u, BLOCK / 4u>;
var<workgroup> matches: array<u32, UPDATE_THREADS>;

fn update_rows(group: u32, side: u32, t: u32) {
  let lane = t % ROW_LANES;
  let i = group * (UPDATE_THREADS / ROW_LANES) + t / ROW_LANES;
  let ids_at = side * BATCH_ROWS;
  var row = NOBODY;
  if (i < step.samples) { row = marks[ids_at + i]; }
  // Before any thread may write it: the barriers below come between.
  let stands = note_of(row, side);
  var owns = row != NOBODY;
  var slopes = array<f32, NUMBERS>();
  if (owns) { add_slopes(&slopes, side, i, lane); }
  var ids = ids_of(ids_at, 0u, t);
  for (var first = 0u; first < BATCH_ROWS; first += BLOCK) {
    if (t < BLOCK / 4u) { batch_ids[t] = ids; }
    workgroupBarrier();
    // Of the next block: on their way while this one is compared.
    ids = ids_of(ids_at, first + BLOCK, t);
    matches[t] = select(0u, find_others(row, i - first, lane), owns);
    workgroupBarrier();
    // Most rows have one sample.
    let lanes = select(0u, ROW_LANES, any_match(t - lane) != 0u);
    for (var other = 0u; other < lanes; other++) {
      for (var same = matches[t - lane + other]; same != 0u; same &= same - 1u) {
        let c = countTrailingZeros(same);
        let j = first + (c / 4u * ROW_LANES + other) * 4u + c % 4u;
        if (j < i) { owns = false; }
        if (owns) { add_slopes(&slopes, side, j, lane); }
      }
    }
  }
  if (!owns) { return; }
  move_row(row, side, stands, lane, &slopes);
}

/** Rows of samples first + 4t … first + 4t + 3. */
fn ids_of(ids_at: u32, first: u32, t: u32) -> vec4u {
  let j = first + 4u * t + vec4u(0u, 1u, 2u, 3u);
  // What there is not is read elsewhere, and left out.
  let at = ids_at + min(j, vec4u(BATCH_ROWS - 1u));
  let ids = vec4u(marks[at.x], marks[at.y], marks[at.z], marks[at.w]);
  return select(vec4u(NOBODY), ids, j < vec4u(step.samples));
}

/** Bits 4n … 4n + 3: which of the four samples at n·ROW_LANES + lane of the block are about the row, but for the block's sample `own`. */
fn find_others(row: u32, own: u32, lane: u32) -> u32 {
  var bits = 0u;
  for (var n = 0u; n < 8u; n++) {
    let same = select(vec4u(), vec4u(1u, 2u, 4u, 8u), batch_ids[n * ROW_LANES + lane] == vec4u(row));
    bits |= ((same.x | same.y) | (same.z | same.w)) << (4u * n);
  }
  let own_bit = 1u << (own / (4u * ROW_LANES) % 8u * 4u + own % 4u);
  return select(bits, bits & ~own_bit, own < BLOCK && own / 4u % ROW_LANES == lane);
}

/** Of the threads that share a sample, of which `first` is the first. */
fn any_match(first: u32) -> u32 {
  var any = 0u;
  for (var other = 0u; other < ROW_LANES; other++) { any |= matches[first + other]; }
  return any;
}

fn add_slopes(slopes: ptr<function, array<f32, NUMBERS>>, side: u32, j: u32, lane: u32) {
  let at = select(USER_SLOPES_AT, MOVIE_SLOPES_AT, side == 1u) + j / 4u;
  for (var n = 0u; n < NUMBERS; n++) {
    let k = lane + n * ROW_LANES;
    if (k < W) { (*slopes)[n] += work[at + k * BATCH_QUADS][j % 4u]; }
  }
}

fn note_of(row: u32, side: u32) -> u32 {
  if (MOMENTS != 1u || row == NOBODY) { return 0u; }
  if (side == 0u) { return users_load(users_bank(row), users_stands_at(row)); }
  return movies_load(movies_bank(row), movies_stands_at(row));
}

fn move_row(row: u32, side: u32, stands: u32, lane: u32, slopes: ptr<function, array<f32, NUMBERS>>) {
  for (var n = 0u; n < NUMBERS; n++) {
    let k = lane + n * ROW_LANES;
    if (k >= W) { break; }
    if (side == 0u) { users_move(row, k, stands, (*slopes)[n]); }
    else { movies_move(row, k, stands, (*slopes)[n]); }
  }
  if (MOMENTS != 1u || lane > 0u) { return; }
  if (side == 0u) { users_store(users_bank(row), users_stands_at(row), step.number); }
  else { movies_store(movies_bank(row), movies_stands_at(row), step.number); }
}
