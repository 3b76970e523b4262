// The forward pass of a tile of samples by one workgroup; the same for training and for predictions.
//
// K embedding width, X = 2K, H hidden units, TILE = 4·QUADS samples. inputs[k·QUADS + q]: input k of samples 4q … 4q + 3.
// Thread t sums its share of units and of the dot product into partial[q·THREADS + t]; added up, they are the outputs.
//
// Which units are on for the tile's samples is kept in words, by keep_bits(word, bits), which is the shader's: bit 8n + s of a word for
// sample s and the n-th of the PER_THREAD units that a thread has at a time (units.wgsl).

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
  for (var h = t; h < H; h += PER_THREAD * THREADS) { sums = add_units(h, sums); }
  partial[t] = sums.low;
  if (QUADS == 2u) { partial[THREADS + t] = sums.high; }
  add_partials(t);
}

/** Input k of the samples. */
fn tile_of(k: u32) -> Tile {
  if (QUADS == 1u) { return Tile(inputs[k], vec4f()); }
  return Tile(inputs[k * QUADS], inputs[k * QUADS + 1u]);
}

/** Users by one half of the threads and movies by the other. Nothing branches: what a thread reads, it waits for once. */
fn load_inputs(t: u32, now: u32) {
  let half = THREADS / 2u;
  for (var e = t % half; e < K * QUADS; e += half) {
    let k = e / QUADS;
    let q = e % QUADS;
    if (t < half) { inputs[e] = user_inputs(q * 4u, k, now); }
    else { inputs[K * QUADS + e] = movie_inputs(q * 4u, k, now); }
  }
}

fn user_inputs(s: u32, k: u32, now: u32) -> vec4f {
  return vec4f(
    user_input(tile_users[s], k, now), user_input(tile_users[s + 1u], k, now),
    user_input(tile_users[s + 2u], k, now), user_input(tile_users[s + 3u], k, now),
  );
}

fn movie_inputs(s: u32, k: u32, now: u32) -> vec4f {
  return vec4f(
    movie_input(tile_movies[s], k, now), movie_input(tile_movies[s + 1u], k, now),
    movie_input(tile_movies[s + 2u], k, now), movie_input(tile_movies[s + 3u], k, now),
  );
}

fn user_input(user: u32, k: u32, now: u32) -> f32 {
  return select(users_value(user, k, now), 0.0, user == NOBODY);
}

fn movie_input(movie: u32, k: u32, now: u32) -> f32 {
  return select(movies_value(movie, k, now), 0.0, movie == NOBODY);
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

/** Of units h, h + THREADS … */
struct Units {
  first: Tile,
  second: Tile,
  third: Tile,
  fourth: Tile,
}

/** PER_THREAD units at a time: so many, so that an input is read once for all of them. */
fn add_units(h: u32, before: Tile) -> Tile {
  // Where there is no such unit, the last one is computed again, and left out below.
  let h1 = min(h + THREADS, H - 1u);
  let h2 = min(h + 2u * THREADS, H - 1u);
  let h3 = min(h + 3u * THREADS, H - 1u);
  let hs = vec4u(h, h1, h2, h3);
  var a = Units(biased(h), biased(h1), biased(h2), biased(h3));
  // Four inputs at a time, so that their weights are on the way together. X is even.
  for (var k = 0u; k < X; k += 4u) {
    a = add_input(add_input(a, k, hs), k + 1u, hs);
    if (X % 4u == 0u || k + 2u < X) { a = add_input(add_input(a, k + 2u, hs), k + 3u, hs); }
  }
  var sums = finish_unit(h, a.first, before);
  var bits = bits_of(a.first);
  if (PER_THREAD > 1u && h + THREADS < H) {
    sums = finish_unit(h1, a.second, sums);
    bits |= bits_of(a.second) << 8u;
  }
  if (PER_THREAD > 2u && h + 2u * THREADS < H) {
    sums = finish_unit(h2, a.third, sums);
    bits |= bits_of(a.third) << 16u;
  }
  if (PER_THREAD > 3u && h + 3u * THREADS < H) {
    sums = finish_unit(h3, a.fourth, sums);
    bits |= bits_of(a.fourth) << 24u;
  }
  keep_bits(word_of(h), bits);
  return sums;
}

fn add_input(before: Units, k: u32, hs: vec4u) -> Units {
  let input = tile_of(k);
  var a = before;
  a.first = add_weighted(a.first, dense[k * H + hs.x], input);
  if (PER_THREAD > 1u) { a.second = add_weighted(a.second, dense[k * H + hs.y], input); }
  if (PER_THREAD > 2u) { a.third = add_weighted(a.third, dense[k * H + hs.z], input); }
  if (PER_THREAD > 3u) { a.fourth = add_weighted(a.fourth, dense[k * H + hs.w], input); }
  return a;
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
  let weight = dense[OUTPUT_WEIGHTS_AT + h];
  let low = select(vec4f(), a.low, a.low > vec4f());
  return add_weighted(sums, weight, Tile(low, select(vec4f(), a.high, a.high > vec4f())));
}

/** Bit s: the unit is on for sample s. */
fn bits_of(a: Tile) -> u32 {
  let low = select(vec4u(), vec4u(1u, 2u, 4u, 8u), a.low > vec4f());
  let high = select(vec4u(), vec4u(16u, 32u, 64u, 128u), a.high > vec4f());
  let bits = low | high;
  return (bits.x | bits.y) | (bits.z | bits.w);
}

/**
 * Adds partial[q·THREADS + t] up over t, by eights: in the same order whoever is fast. Not by twos, since barriers are what a software
 * driver is slowest at; not by more, since a thread waits for each.
 */
fn add_partials(t: u32) {
  add_level(t, THREADS / 8u, 8u);
  add_level(t, THREADS / 64u, 8u);
  add_level(t, 1u, THREADS / 64u);
  workgroupBarrier();
}

fn add_level(t: u32, width: u32, count: u32) {
  workgroupBarrier();
  if (t >= width * QUADS) { return; }
  let at = t / width * THREADS + t % width;
  partial[at] = sum_of(at, width, count);
}

/** partial[at] + partial[at + stride] + …, so many. */
fn sum_of(at: u32, stride: u32, count: u32) -> vec4f {
  var sum = partial[at];
  for (var n = 1u; n < count; n++) { sum += partial[at + n * stride]; }
  return sum;
}
