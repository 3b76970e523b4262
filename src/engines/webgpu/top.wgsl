// The best movies of a user out of the raw outputs of all movies, by one workgroup. Outputs are compared by their bits, as whole numbers in the
// same order. The last place's number is found byte by byte, from counts; then what is above it is listed, and of what equals it the movies
// that come first. In no order: the host sorts.
//
// M movies, C places. outputs (users × M); allowed (users × ⌈M/32⌉); bounds (users × 3); picks (users × (1 + 2C)): how many, then movie, output.

/** Not a key of any number: of a movie that may not be listed. */
const NEVER = 0u;

var<workgroup> counts: array<atomic<u32>, 256>;
/** Before it is settled: the bytes that are known. */
var<workgroup> last_key: u32;
/** Places for movies with the last key. */
var<workgroup> last_places: u32;
var<workgroup> listed: u32;
var<workgroup> next_place: atomic<u32>;
var<workgroup> equals: array<u32, THREADS>;

@compute @workgroup_size(THREADS)
fn top(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  let user = group.x;
  if (t == 0u) {
    last_key = 0u;
    last_places = request.places;
    listed = request.places;
    atomicStore(&next_place, 0u);
  }
  for (var shift = 24; shift >= 0; shift -= 8) {
    for (var digit = t; digit < 256u; digit += THREADS) { atomicStore(&counts[digit], 0u); }
    workgroupBarrier();
    count_digits(user, u32(shift), t);
    workgroupBarrier();
    if (t == 0u) { settle_digit(u32(shift)); }
    workgroupBarrier();
  }
  list_movies(user, t);
  if (t == 0u) { picks[user * (1u + 2u * request.places)] = listed; }
}

/** Larger for a larger output; NEVER for what is no number, not allowed, or listed on an earlier page. */
fn key_of(user: u32, movie: u32) -> u32 {
  let words = (request.movies + 31u) / 32u;
  if (((allowed[user * words + movie / 32u] >> (movie % 32u)) & 1u) == 0u) { return NEVER; }
  let key = ordered(outputs[user * request.movies + movie]);
  let after = key < bounds[user * 3u];
  let tied = key <= bounds[user * 3u + 1u] && movie >= bounds[user * 3u + 2u];
  return select(NEVER, key, after || tied);
}

fn ordered(bits: u32) -> u32 {
  let size = bits & 0x7fffffffu;
  if (size > 0x7f800000u) { return NEVER; }
  // Both zeros alike.
  if (size == 0u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, bits >> 31u == 1u);
}

/** Of the keys whose bytes above are those that are known. */
fn count_digits(user: u32, shift: u32, t: u32) {
  for (var movie = t; movie < request.movies; movie += THREADS) {
    let key = key_of(user, movie);
    // In two shifts: by 32 at once means nothing.
    if (key != NEVER && (key >> shift) >> 8u == (last_key >> shift) >> 8u) {
      atomicAdd(&counts[(key >> shift) & 255u], 1u);
    }
  }
}

fn settle_digit(shift: u32) {
  if (last_places == 0u) { return; }
  var above = 0u;
  for (var digit = 255u;; digit--) {
    let these = atomicLoad(&counts[digit]);
    if (above + these >= last_places) {
      last_key |= digit << shift;
      last_places -= above;
      return;
    }
    above += these;
    if (digit == 0u) { break; }
  }
  // Fewer movies than places, which shows at the first byte: all of them.
  listed = above;
  last_places = 0u;
}

fn list_movies(user: u32, t: u32) {
  let share = (request.movies + THREADS - 1u) / THREADS;
  let begin = min(t * share, request.movies);
  let end = min(begin + share, request.movies);
  var own = 0u;
  for (var movie = begin; movie < end; movie++) { own += select(0u, 1u, is_last(key_of(user, movie))); }
  equals[t] = own;
  workgroupBarrier();
  var rank = 0u;
  for (var before = 0u; before < t; before++) { rank += equals[before]; }
  for (var movie = begin; movie < end; movie++) {
    let key = key_of(user, movie);
    if (is_last(key)) {
      if (rank < last_places) { list(user, listed - last_places + rank, movie); }
      rank++;
    } else if (key > last_key) {
      list(user, atomicAdd(&next_place, 1u), movie);
    }
  }
}

fn is_last(key: u32) -> bool {
  return key == last_key && key != NEVER;
}

fn list(user: u32, place: u32, movie: u32) {
  let at = user * (1u + 2u * request.places) + 1u + 2u * place;
  picks[at] = movie;
  picks[at + 1u] = outputs[user * request.movies + movie];
}
