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
