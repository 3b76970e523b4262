// Phase A of a step: a workgroup takes a tile of samples from the epoch's order, runs them forward and, for each, sums over the
// units. It leaves in `marks` the samples' rows, errors and bits, and in `work` e·[x; 1] and the slopes of their rows:
//
//   a_ih = W[h]·X[i], on_ih = (a_ih > 0), e_i = 2(ŷ_i − t_i)/B
//   D[i] = Σ_h on_ih·w₂[h]·W[h]    ∂/∂[p_u; q_m] = e_i·D[i]

/** What is added to outputs for their errors: biases, less targets. */
var<workgroup> offsets: array<f32, TILE>;
var<workgroup> errors: array<vec4f, QUADS>;
/** Of the tile, as in `marks`. */
var<workgroup> unit_words: array<u32, AT_LEAST_ONE_WORD>;
var<private> tile: u32;

fn keep_bits(word: u32, bits: u32) {
  unit_words[word] = bits;
  marks[BITS_AT + tile * WORDS + word] = bits;
}

@compute @workgroup_size(THREADS)
fn take_samples(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  tile = group.x;
  let finished = u32(dense[FINISHED_AT]);
  begin_step(finished);
  if (t < TILE) { take_rating(t); }
  workgroupBarrier();
  // By threads that have no inputs to wait for, as a rule.
  if (t >= THREADS - TILE) { add_biases(t - (THREADS - TILE)); }
  forward(t, step.number - 1u);
  if (t < QUADS) { finish_outputs(t); }
  workgroupBarrier();
  if (H > 0u) {
    write_scaled_inputs(t);
    sum_units(t);
  } else {
    for (var e = t; e < X * QUADS; e += THREADS) { write_slopes(e % AT_LEAST_ONE_X, e / AT_LEAST_ONE_X, vec4f()); }
  }
  if (HAS_BIASES && t < QUADS) { write_bias_slopes(t); }
  if (tile == 0u && t == 0u) { marks[BEGUN_AT] = finished + 1u; }
}

fn take_rating(s: u32) {
  let i = tile * TILE + s;
  var user = NOBODY;
  var movie = NOBODY;
  if (i < step.samples) {
    let at = 3u * (step.first + i);
    user = upcoming[at];
    movie = upcoming[at + 1u];
    offsets[s] = -bitcast<f32>(upcoming[at + 2u]);
  }
  tile_users[s] = user;
  tile_movies[s] = movie;
  marks[i] = user;
  marks[BATCH_ROWS + i] = movie;
}

fn add_biases(s: u32) {
  offsets[s] += biases_of(s, step.number - 1u);
}

fn finish_outputs(q: u32) {
  let s = q * 4u;
  let users = vec4u(tile_users[s], tile_users[s + 1u], tile_users[s + 2u], tile_users[s + 3u]);
  let offset = vec4f(offsets[s], offsets[s + 1u], offsets[s + 2u], offsets[s + 3u]);
  let differences = select(vec4f(), partial[q * THREADS] + offset, users != vec4u(NOBODY));
  errors[q] = differences * (2.0 / f32(step.samples));
  let at = ERRORS_AT + tile * TILE + s;
  marks[at] = bitcast<u32>(differences.x);
  marks[at + 1u] = bitcast<u32>(differences.y);
  marks[at + 2u] = bitcast<u32>(differences.z);
  marks[at + 3u] = bitcast<u32>(differences.w);
}

/** e_i·[x_i; 1], which phase B sums over the samples: four numbers at a time. */
fn write_scaled_inputs(t: u32) {
  for (var e = t; e < SCALED / 4u * TILE; e += THREADS) {
    let k = e % (SCALED / 4u) * 4u;
    let s = e / (SCALED / 4u);
    let x = vec4f(extended(k, s), extended(k + 1u, s), extended(k + 2u, s), extended(k + 3u, s));
    work[(tile * TILE + s) * (SCALED / 4u) + k / 4u] = errors[s / 4u][s % 4u] * x;
  }
}

/** Number k of [x; 1] of a sample. */
fn extended(k: u32, s: u32) -> f32 {
  if (k >= X) { return select(0.0, 1.0, k == X); }
  return inputs[k * QUADS + s / 4u][s % 4u];
}

/** Of two inputs in a row. */
struct Sums {
  first: Tile,
  second: Tile,
}

/** Sums over the units: two inputs for each group of LANES threads at a time, so that bits are read and spread once for both. */
fn sum_units(t: u32) {
  for (var first = 0u; first < X; first += 2u * THREADS / LANES) {
    let k = first + t / LANES * 2u;
    var sums = Sums();
    if (k < X) { sums = sum_lane(t % LANES, k); }
    finish_sums(k, sums.first, t);
    finish_sums(k + 1u, sums.second, t);
  }
}

/** Two words of bits at a time, so that the weights of their units are on the way together. */
fn sum_lane(lane: u32, k: u32) -> Sums {
  var sums = Sums();
  for (var word = lane; unit_of(word) < H; word += 2u * LANES) {
    sums = add_word(add_word(sums, word, k), word + LANES, k);
  }
  return sums;
}

fn add_word(before: Sums, word: u32, k: u32) -> Sums {
  let h = unit_of(word);
  // Where there is no such unit, the last one is taken, with no bits.
  let bits = select(0u, unit_words[min(word, WORDS - 1u)], h < H);
  var sums = add_unit(before, bits, min(h, H - 1u), k);
  if (PER_THREAD > 1u) { sums = add_unit(sums, bits >> 8u, min(h + THREADS, H - 1u), k); }
  if (PER_THREAD > 2u) { sums = add_unit(sums, bits >> 16u, min(h + 2u * THREADS, H - 1u), k); }
  if (PER_THREAD > 3u) { sums = add_unit(sums, bits >> 24u, min(h + 3u * THREADS, H - 1u), k); }
  return sums;
}

fn add_unit(before: Sums, bits: u32, h: u32, k: u32) -> Sums {
  let weight = dense[OUTPUT_WEIGHTS_AT + h];
  let on = Tile(ones_of(bits, 0u), ones_of(bits, 4u));
  // X is even: both are there.
  return Sums(
    add_weighted(before.first, weight * dense[k * H + h], on),
    add_weighted(before.second, weight * dense[(k + 1u) * H + h], on),
  );
}

/** Adds the lanes' sums up, and writes the slopes. */
fn finish_sums(k: u32, sums: Tile, t: u32) {
  let lane = t % LANES;
  let group = t - lane;
  partial[t] = sums.low;
  if (QUADS == 2u) { partial[THREADS + t] = sums.high; }
  workgroupBarrier();
  let width = LANES / 8u;
  if (lane < width * QUADS) {
    let at = lane / width * THREADS + group + lane % width;
    partial[at] = sum_of(at, width, 8u);
  }
  workgroupBarrier();
  if (lane < QUADS && k < X) { write_slopes(k, lane, sum_of(lane * THREADS + group, 1u, width)); }
  workgroupBarrier();
}

/** Gradients of number k of the inputs for four samples, from e and D. */
fn write_slopes(k: u32, q: u32, sums: vec4f) {
  var by_input = sums;
  if (HAS_DOT) { by_input += inputs[select(k - K, k + K, k < K) * QUADS + q]; }
  let at = select(MOVIE_SLOPES_AT + (k - K) * BATCH_QUADS, USER_SLOPES_AT + k * BATCH_QUADS, k < K);
  work[at + tile * QUADS + q] = errors[q] * by_input;
}

fn write_bias_slopes(q: u32) {
  work[USER_SLOPES_AT + K * BATCH_QUADS + tile * QUADS + q] = errors[q];
  work[MOVIE_SLOPES_AT + K * BATCH_QUADS + tile * QUADS + q] = errors[q];
}
