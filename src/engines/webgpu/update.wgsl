// Phase B of a step: parameters are moved by the batch. Workgroups in this order: UNIT_GROUPS for the hidden units, one for the output
// bias and the loss, and two halves for the rows of users and of movies. No two workgroups write the same number.
//
//   S[h] = Σ_i on_ih·e_i·X[i]      ∂/∂W[h] = w₂[h]·S[h]      ∂/∂w₂[h] = W[h]·S[h]

@compute @workgroup_size(THREADS)
fn update(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) t: u32,
) {
  if (group.x < UNIT_GROUPS) {
    update_units(group.x, t);
  } else if (group.x == UNIT_GROUPS) {
    finish_batch(t);
  } else {
    let half = (groups.x - UNIT_GROUPS - 1u) / 2u;
    let of_rows = group.x - UNIT_GROUPS - 1u;
    update_rows(of_rows % half, of_rows / half, t);
  }
}

// Hidden units: thread t has unit t % UNITS of the group and a slice of the samples, for eight inputs, a chunk, at a time.

/** Tiles of each slice that are staged at a time: half the barriers of one. */
const STAGED = 2u;

/** e·[x; 1] of the tiles that the slices are at: sample by sample, eight inputs each. */
var<workgroup> staged: array<vec4f, STAGED * SLICES * TILE * 2u>;
var<workgroup> sums: array<vec4f, THREADS>;

struct Chunk {
  low: vec4f,
  high: vec4f,
}

fn update_units(group: u32, t: u32) {
  let h = group * UNITS + t % UNITS;
  let moves = t < UNITS && h < H;
  var output_weight = 0.0;
  if (moves) { output_weight = dense[OUTPUT_WEIGHTS_AT + h]; }
  var output_slope = 0.0;
  for (var chunk = 0u; chunk < SCALED / 8u; chunk++) {
    let own = sum_samples(h, chunk, t);
    let low = sum_slices(own.low, t);
    let high = sum_slices(own.high, t);
    if (moves) {
      output_slope += move_four(h, chunk * 8u, low, output_weight);
      output_slope += move_four(h, chunk * 8u + 4u, high, output_weight);
    }
  }
  if (moves) { descend_dense(OUTPUT_WEIGHTS_AT + h, output_slope, PULL_WEIGHTS); }
}

/** S[h] of the thread's slice of the samples, for the inputs of a chunk. */
fn sum_samples(h: u32, chunk: u32, t: u32) -> Chunk {
  let tiles = (step.samples + TILE - 1u) / TILE;
  let slice = t / UNITS;
  var sum = Chunk();
  for (var first = 0u; first < tiles; first += STAGED * SLICES) {
    workgroupBarrier();
    stage(first, chunk, tiles, t);
    workgroupBarrier();
    for (var local = slice; local < STAGED * SLICES; local += SLICES) {
      if (first + local < tiles && h < H) { sum = add_tile(sum, marks[BITS_AT + (first + local) * H + h], local); }
    }
  }
  return sum;
}

fn add_tile(before: Chunk, bits: u32, local: u32) -> Chunk {
  var sum = before;
  for (var s = 0u; s < TILE; s++) {
    let on = vec4f(f32((bits >> s) & 1u));
    let at = (local * TILE + s) * 2u;
    sum.low = fma(on, staged[at], sum.low);
    sum.high = fma(on, staged[at + 1u], sum.high);
  }
  return sum;
}

fn stage(first_tile: u32, chunk: u32, tiles: u32, t: u32) {
  for (var e = t; e < STAGED * SLICES * TILE * 2u; e += THREADS) {
    let i = first_tile * TILE + e / 2u;
    if (i >= tiles * TILE) { continue; }
    let at = i * SCALED + chunk * 8u + e % 2u * 4u;
    staged[e] = vec4f(work[at], work[at + 1u], work[at + 2u], work[at + 3u]);
  }
}

/** Of a unit: for the threads of slice 0; nothing for the others. */
fn sum_slices(own: vec4f, t: u32) -> vec4f {
  workgroupBarrier();
  sums[t] = own;
  workgroupBarrier();
  var sum = vec4f();
  if (t < UNITS) {
    for (var slice = 0u; slice < SLICES; slice++) { sum += sums[slice * UNITS + t]; }
  }
  return sum;
}

/** Moves W[h] for the inputs k … k + 3 that there are; returns their part of W[h]·S[h], with W[h] as it was. */
fn move_four(h: u32, k: u32, sum: vec4f, output_weight: f32) -> f32 {
  var slope = 0.0;
  for (var c = 0u; c < 4u && k + c <= X; c++) {
    let is_weight = k + c < X;
    let at = select(HIDDEN_BIASES_AT + h, (k + c) * H + h, is_weight);
    slope += dense[at] * sum[c];
    descend_dense(at, output_weight * sum[c], select(0.0, PULL_WEIGHTS, is_weight));
  }
  return slope;
}

// The output bias and the loss.

var<workgroup> totals: array<vec2f, THREADS>;

fn finish_batch(t: u32) {
  var total = vec2f();
  for (var i = t; i < step.samples; i += THREADS) {
    let difference = bitcast<f32>(marks[ERRORS_AT + i]);
    total += vec2f(difference, difference * difference);
  }
  totals[t] = total;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (t < width) { totals[t] += totals[t + width]; }
  }
  if (t > 0u) { return; }
  descend_dense(OUTPUT_BIAS_AT, totals[0].x * (2.0 / f32(step.samples)), 0.0);
  work[LOSSES_AT + step.loss] = totals[0].y;
}

// Rows of users (side 0) and movies (side 1): ROW_LANES threads have one sample each, and look for the others about the same row. The
// first of them owns it: sums the slopes of all of them, in a fixed order, and moves the row. Integers are compared, no
// number is added atomically, so the same batch gives the same bits.

/** Numbers of a row that a thread has. */
const NUMBERS = (W + ROW_LANES - 1u) / ROW_LANES;

var<workgroup> matches: array<u32, THREADS>;

fn update_rows(group: u32, side: u32, t: u32) {
  let lane = t % ROW_LANES;
  let i = group * (THREADS / ROW_LANES) + t / ROW_LANES;
  let ids_at = side * BATCH_ROWS;
  var row = NOBODY;
  if (i < step.samples) { row = marks[ids_at + i]; }
  // Before any thread may write it: the barriers below come between.
  let stands = note_of(row, side);
  var owns = row != NOBODY;
  var slopes = array<f32, NUMBERS>();
  for (var first = 0u; first < step.samples; first += 32u * ROW_LANES) {
    var bits = 0u;
    if (owns) { bits = find_same(row, ids_at, first + lane); }
    workgroupBarrier();
    matches[t] = bits;
    workgroupBarrier();
    for (var other = 0u; other < ROW_LANES; other++) {
      for (bits = matches[t - lane + other]; bits != 0u; bits &= bits - 1u) {
        let j = first + countTrailingZeros(bits) * ROW_LANES + other;
        if (j < i) { owns = false; }
        if (owns) { add_slopes(&slopes, side, j, lane); }
      }
    }
  }
  if (!owns) { return; }
  move_row(row, side, stands, lane, &slopes);
}

/** Bit c: sample begin + c·ROW_LANES is about the row. */
fn find_same(row: u32, ids_at: u32, begin: u32) -> u32 {
  var bits = 0u;
  for (var c = 0u; c < 32u; c++) {
    let j = begin + c * ROW_LANES;
    if (j >= step.samples) { break; }
    bits |= select(0u, 1u << c, marks[ids_at + j] == row);
  }
  return bits;
}

fn add_slopes(slopes: ptr<function, array<f32, NUMBERS>>, side: u32, j: u32, lane: u32) {
  let at = select(USER_SLOPES_AT, MOVIE_SLOPES_AT, side == 1u) + j * W;
  for (var n = 0u; n < NUMBERS; n++) {
    let k = lane + n * ROW_LANES;
    if (k < W) { (*slopes)[n] += work[at + k]; }
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
