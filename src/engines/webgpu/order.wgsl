// The order of an epoch, as engines/shuffle.ts defines it: a seeded bijection on [0, count), for any position alone.

fn mix32(value: u32) -> u32 {
  var x = value;
  x = (x ^ (x >> 16u)) * 0x21f0aaadu;
  x = (x ^ (x >> 15u)) * 0xd35a2d97u;
  return x ^ (x >> 15u);
}

fn hash_below(value: u32, radix: u32) -> u32 {
  return ((mix32(value) >> 16u) * radix) >> 16u;
}

fn order_key(round: u32) -> u32 {
  return request.keys[round >> 2u][round & 3u];
}

fn permute(x: u32) -> u32 {
  var right = x / request.a;
  var left = x - right * request.a;
  for (var round = 0u; round < ORDER_ROUNDS; round += 2u) {
    left += hash_below(right ^ order_key(round), request.a);
    left -= select(0u, request.a, left >= request.a);
    right += hash_below(left ^ order_key(round + 1u), request.b);
    right -= select(0u, request.b, right >= request.b);
  }
  return right * request.a + left;
}

/** The rating at a position of the request. */
fn rating_at(position: u32) -> u32 {
  var x = permute(position);
  while (x >= request.count) { x = permute(x); }
  return x;
}
