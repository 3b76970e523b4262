// Ratings that the host sends for each submission, in the epoch's order already; step.first counts from the first that was sent.

/** User, movie and target of sample i of the batch. */
fn rating_of(i: u32) -> vec3u {
  let at = 3u * (step.first + i);
  return vec3u(streamed[at], streamed[at + 1u], streamed[at + 2u]);
}
