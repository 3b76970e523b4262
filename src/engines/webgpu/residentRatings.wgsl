// Ratings that stay on the device: in the order in which they came, three arrays, found by the epoch's order.

/** User, movie and target of sample i of the batch. */
fn rating_of(i: u32) -> vec3u {
  let rating = rating_at(step.first + i);
  return vec3u(rating_users(rating), rating_movies(rating), rating_targets(rating));
}
