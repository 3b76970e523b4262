// Phase A of a step: a workgroup takes a tile of samples from the epoch's order, runs them forward and, for each, sums over the
// units. It leaves in `marks` the samples' rows, errors and bits, and in `work` e·[x; 1] and the slopes of their rows:
//
//   a_ih = W[h]·X[i], on_ih = (a_ih > 0), e_i = 2(ŷ_i − t_i)/B
//   D[i] = Σ_h on_ih·w₂[h]·W[h]    ∂/∂[p_u; q_m] = e_i·D[i]

/** Threads that share one input's sum over the units. */
const LANES = 16u;
/** Inputs that they sum at a time, so that bits are read and spread once for all of them. */
const AT_ONCE = 2u;

var<workgroup> targets: array<f32, TILE>;
var<workgroup> errors: array<vec4f, QUADS>;
var<private> tile: u32;

fn keep_bits(h: u32, bits: u32) {
  marks[BITS_AT + tile * H + h] = bits;
}

@compute @workgroup_size(THREADS)
fn take_samples(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  tile = group.x;
  if (t < TILE) { take_rating(t); }
  workgroupBarrier();
  forward(t, step.number - 1u);
  if (t < QUADS) { finish_outputs(t); }
  workgroupBarrier();
  if (H > 0u) {
    write_scaled_inputs(t);
    // The bits of all units, written by other threads of the group.
    storageBarrier();
    sum_units(t);
  } else {
    for (var e = t; e < X * QUADS; e += THREADS) { write_slopes(e % AT_LEAST_ONE_X, e / AT_LEAST_ONE_X, vec4f()); }
  }
  if (HAS_BIASES && t < TILE) { write_bias_slopes(t); }
}

fn take_rating(s: u32) {
  let i = tile * TILE + s;
  var user = NOBODY;
  var movie = NOBODY;
  if (i < step.samples) {
    let rating = rating_of(i);
    user = rating.x;
    movie = rating.y;
    targets[s] = bitcast<f32>(rating.z);
  }
  tile_users[s] = user;
  tile_movies[s] = movie;
  marks[i] = user;
  marks[BATCH_ROWS + i] = movie;
}

fn finish_outputs(q: u32) {
  var differences = vec4f();
  for (var c = 0u; c < 4u; c++) {
    let s = q * 4u + c;
    if (tile_users[s] == NOBODY) { continue; }
    differences[c] = partial[q * THREADS][c] + biases_of(s, step.number - 1u) - targets[s];
  }
  for (var c = 0u; c < 4u; c++) {
    marks[ERRORS_AT + tile * TILE + q * 4u + c] = bitcast<u32>(differences[c]);
  }
  errors[q] = differences * (2.0 / f32(step.samples));
}

/** e_i·[x_i; 1], which phase B sums over the samples. */
fn write_scaled_inputs(t: u32) {
  for (var e = t; e < SCALED * TILE; e += THREADS) {
    let k = e % SCALED;
    let s = e / SCALED;
    var x = select(0.0, 1.0, k == X);
    if (k < X) { x = inputs[k * QUADS + s / 4u][s % 4u]; }
    work[(tile * TILE + s) * SCALED + k] = errors[s / 4u][s % 4u] * x;
  }
}

/** Of two inputs in a row. */
struct Sums {
  first: Tile,
  second: Tile,
}

/** Sums over the units, AT_ONCE inputs for each group of LANES threads at a time. */
fn sum_units(t: u32) {
  let lane = t % LANES;
  let group = t / LANES;
  for (var first = 0u; first < X; first += AT_ONCE * THREADS / LANES) {
    let k = first + group * AT_ONCE;
    var sums = Sums();
    if (k < X) { sums = sum_lane(lane, k); }
    finish_sums(k, sums.first, t);
    finish_sums(k + 1u, sums.second, t);
  }
}

fn sum_lane(lane: u32, k: u32) -> Sums {
  var sums = Sums();
  for (var h = lane; h < H; h += LANES) {
    let bits = vec4u(marks[BITS_AT + tile * H + h]);
    let weight = dense[OUTPUT_WEIGHTS_AT + h];
    let on = Tile(
      weight * vec4f((bits >> vec4u(0u, 1u, 2u, 3u)) & vec4u(1u)),
      weight * vec4f((bits >> vec4u(4u, 5u, 6u, 7u)) & vec4u(1u)),
    );
    // X is even: both are there.
    sums.first = add_weighted(sums.first, dense[k * H + h], on);
    sums.second = add_weighted(sums.second, dense[(k + 1u) * H + h], on);
  }
  return sums;
}

/** Adds the lanes' sums up, and writes the slopes. */
fn finish_sums(k: u32, sums: Tile, t: u32) {
  let lane = t % LANES;
  partial[t] = sums.low;
  if (QUADS == 2u) { partial[THREADS + t] = sums.high; }
  workgroupBarrier();
  if (lane < QUADS && k < X) { write_slopes(k, lane, sum_of_16(lane * THREADS + t - lane, 1u)); }
  workgroupBarrier();
}

/** Gradients of number k of the inputs for four samples, from e and D. */
fn write_slopes(k: u32, q: u32, sums: vec4f) {
  var by_input = sums;
  if (HAS_DOT) { by_input += inputs[select(k - K, k + K, k < K) * QUADS + q]; }
  let slopes = errors[q] * by_input;
  let i = tile * TILE + q * 4u;
  let at = select(MOVIE_SLOPES_AT + i * W + k - K, USER_SLOPES_AT + i * W + k, k < K);
  work[at] = slopes.x;
  work[at + W] = slopes.y;
  work[at + 2u * W] = slopes.z;
  work[at + 3u * W] = slopes.w;
}

fn write_bias_slopes(s: u32) {
  let i = tile * TILE + s;
  work[USER_SLOPES_AT + i * W + K] = errors[s / 4u][s % 4u];
  work[MOVIE_SLOPES_AT + i * W + K] = errors[s / 4u][s % 4u];
}
