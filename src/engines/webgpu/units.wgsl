// Where it is kept which hidden units are on for the samples of a tile: WORDS words a tile; bit 8n + s of a word is for sample s and the n-th
// of the PER_THREAD units that one thread of the forward pass has at a time.

fn word_of(h: u32) -> u32 {
  return h / (PER_THREAD * THREADS) * THREADS + h % THREADS;
}

/** The first of a word's units; the others follow at distances of THREADS. */
fn unit_of(word: u32) -> u32 {
  return word / THREADS * (PER_THREAD * THREADS) + word % THREADS;
}

/** The bits of unit h out of its word: bit s for sample s. */
fn bits_in(word: u32, h: u32) -> u32 {
  return (word >> (h / THREADS % PER_THREAD * 8u)) & 0xffu;
}

/** 1 where the bit is set, and 0. Not by converting it, of which GPUs do few at a time. */
fn ones_of(bits: u32, first: u32) -> vec4f {
  return select(vec4f(), vec4f(1.0), (vec4u(bits) & (vec4u(1u, 2u, 4u, 8u) << vec4u(first))) != vec4u());
}
