// The forward pass of a tile of samples by one workgroup; the same for training and for predictions.
//
// K embedding width, X = 2K, H hidden units, TILE = 4·QUADS samples. inputs[k·QUADS + q]: input k of samples 4q … 4q + 3.
// Thread t sums its share of units and of the dot product into partial[q·THREADS + t]; added up, they are the outputs.
// keep_bits(h, bits) is the shader's: bit s says whether unit h is on for sample s.

var<workgroup> tile_users: array<u32, TILE>;
var<workgroup> tile_movies: array<u32, TILE>;
var<workgroup> inputs: array<vec4f, AT_LEAST_ONE_X * QUADS>;
var<workgroup> partial: array<vec4f, THREADS * QUADS>;

/** Numbers of a tile's samples. Not an array: where an index is not known, compilers keep arrays in memory. `high` is for QUADS = 2. */
struct Tile {
  low: vec4f,
  high: vec4f,
}

/** Raw outputs of the tile, without the biases of its users and movies, at partial[q·THREADS]. Rows as after `now` steps. */
fn forward(t: u32, now: u32) {
  load_inputs(t, now);
  workgroupBarrier();
  var sums = Tile();
  if (HAS_DOT) {
    for (var k = t; k < K; k += THREADS) {
      let p = tile_of(k);
      let q = tile_of(K + k);
      sums = Tile(fma(p.low, q.low, sums.low), fma(p.high, q.high, sums.high));
    }
  }
  for (var h = t; h < H; h += 4u * THREADS) { sums = add_units(h, sums); }
  partial[t] = sums.low;
  if (QUADS == 2u) { partial[THREADS + t] = sums.high; }
  add_partials(t);
}

/** Input k of the samples. */
fn tile_of(k: u32) -> Tile {
  if (QUADS == 1u) { return Tile(inputs[k], vec4f()); }
  return Tile(inputs[k * QUADS], inputs[k * QUADS + 1u]);
}

fn load_inputs(t: u32, now: u32) {
  for (var e = t; e < X * QUADS; e += THREADS) {
    let k = e % AT_LEAST_ONE_X;
    let q = e / AT_LEAST_ONE_X;
    let s = q * 4u;
    inputs[k * QUADS + q] = vec4f(
      input_of(s, k, now), input_of(s + 1u, k, now), input_of(s + 2u, k, now), input_of(s + 3u, k, now),
    );
  }
}

fn input_of(sample: u32, k: u32, now: u32) -> f32 {
  if (tile_users[sample] == NOBODY) { return 0.0; }
  if (k < K) { return users_value(tile_users[sample], k, now); }
  return movies_value(tile_movies[sample], k - K, now);
}

/** The biases of a pair, the output's included. */
fn biases_of(sample: u32, now: u32) -> f32 {
  var sum = dense[OUTPUT_BIAS_AT];
  if (HAS_BIASES && tile_users[sample] != NOBODY) {
    sum += users_value(tile_users[sample], K, now);
    sum += movies_value(tile_movies[sample], K, now);
  }
  return sum;
}

/** Units h, h + THREADS, h + 2·THREADS and h + 3·THREADS, those that there are: four, so that an input is read once for all of them. */
fn add_units(h: u32, before: Tile) -> Tile {
  // Where there is no such unit, the last one is computed again, and left out below.
  let h1 = min(h + THREADS, H - 1u);
  let h2 = min(h + 2u * THREADS, H - 1u);
  let h3 = min(h + 3u * THREADS, H - 1u);
  var a0 = biased(h);
  var a1 = biased(h1);
  var a2 = biased(h2);
  var a3 = biased(h3);
  for (var k = 0u; k < X; k++) {
    let input = tile_of(k);
    a0 = add_weighted(a0, dense[k * H + h], input);
    a1 = add_weighted(a1, dense[k * H + h1], input);
    a2 = add_weighted(a2, dense[k * H + h2], input);
    a3 = add_weighted(a3, dense[k * H + h3], input);
  }
  var sums = finish_unit(h, a0, before);
  if (h + THREADS < H) { sums = finish_unit(h1, a1, sums); }
  if (h + 2u * THREADS < H) { sums = finish_unit(h2, a2, sums); }
  if (h + 3u * THREADS < H) { sums = finish_unit(h3, a3, sums); }
  return sums;
}

fn biased(h: u32) -> Tile {
  let bias = vec4f(dense[HIDDEN_BIASES_AT + h]);
  return Tile(bias, bias);
}

fn add_weighted(sum: Tile, weight: f32, input: Tile) -> Tile {
  if (QUADS == 1u) { return Tile(fma(vec4f(weight), input.low, sum.low), vec4f()); }
  return Tile(fma(vec4f(weight), input.low, sum.low), fma(vec4f(weight), input.high, sum.high));
}

fn finish_unit(h: u32, a: Tile, sums: Tile) -> Tile {
  let low_on = a.low > vec4f();
  let high_on = a.high > vec4f();
  keep_bits(h, bits_of(low_on) | (bits_of(high_on) << 4u));
  let weight = dense[OUTPUT_WEIGHTS_AT + h];
  return add_weighted(sums, weight, Tile(select(vec4f(), a.low, low_on), select(vec4f(), a.high, high_on)));
}

fn bits_of(on: vec4<bool>) -> u32 {
  return dot(select(vec4u(), vec4u(1u, 2u, 4u, 8u), on), vec4u(1u));
}

/**
 * Adds partial[q·THREADS + t] up over t, by sixteens: in the same order whoever is fast. Not by twos, since barriers are what a software
 * driver is slowest at.
 */
fn add_partials(t: u32) {
  for (var width = THREADS / 16u; width > 0u; width /= 16u) {
    workgroupBarrier();
    if (t < width * QUADS) {
      let at = t / width * THREADS + t % width;
      partial[at] = sum_of_16(at, width);
    }
  }
  workgroupBarrier();
}

/** partial[at] + partial[at + width] + … */
fn sum_of_16(at: u32, width: u32) -> vec4f {
  var sum = partial[at];
  for (var n = 1u; n < 16u; n++) { sum += partial[at + n * width]; }
  return sum;
}
