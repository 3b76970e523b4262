// Raw outputs of pairs: as they are given, or every movie for each of some users. A dispatch has `count` of a piece, from `first` on; the
// piece begins with output `base`.

fn keep_bits(word: u32, bits: u32) {}

@compute @workgroup_size(THREADS)
fn predict(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  let first = group.x * TILE;
  if (t < TILE) { take_pair(first + t, t); }
  workgroupBarrier();
  forward(t, request.now);
  if (t < TILE && first + t < request.count) {
    outputs[request.first + first + t] = partial[t / 4u * THREADS][t % 4u] + biases_of(t, request.now);
  }
}

fn take_pair(n: u32, s: u32) {
  tile_users[s] = NOBODY;
  tile_movies[s] = NOBODY;
  if (n >= request.count) { return; }
  let pair = request.base + request.first + n;
  if (request.movies > 0u) {
    tile_users[s] = pairs[pair / request.movies];
    tile_movies[s] = pair % request.movies;
  } else {
    tile_users[s] = pairs[pair];
    tile_movies[s] = pairs[request.pairs + pair];
  }
}
