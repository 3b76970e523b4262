// The ratings of a submission's steps, brought into the order of the epoch before the first of them: a step then reads its samples in a
// row, and waits neither for the order nor for ratings that lie anywhere.

@compute @workgroup_size(THREADS)
fn gather(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < request.samples; i += groups.x * THREADS) {
    let rating = rating_at(request.first + i);
    upcoming[3u * i] = rating_users(rating);
    upcoming[3u * i + 1u] = rating_movies(rating);
    upcoming[3u * i + 2u] = rating_targets(rating);
  }
}
