// What steps without a gradient do to a row: dense momentum moves every row at every step, by a linear map whose powers the host
// has tabulated (skips.ts). So a row is left alone until somebody touches it.

/** After `skipped` steps: w and v of a row that stood at w, v. `kind` 0: an embedding; 1: a bias. */
fn after_skips(w: f32, v: f32, skipped: u32, kind: u32) -> vec2f {
  let first = kind * 2u * SKIPS;
  return skip(skips[first + SKIPS + skipped / SKIPS], skip(skips[first + skipped % SKIPS], vec2f(w, v)));
}

/** s: ww − 1, wv, vw, vv. The difference to w is kept, since ww is nearly 1. */
fn skip(s: vec4f, state: vec2f) -> vec2f {
  return vec2f(state.x + (s.x * state.x + s.y * state.y), s.z * state.x + s.w * state.y);
}
