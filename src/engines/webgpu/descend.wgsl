// One step of an optimizer for one number, as engines/engine.ts defines it.

struct Element {
  w: f32,
  /** sgd: v; adam: m. */
  first: f32,
  /** adam: v. */
  second: f32,
}

/** `slope` without the pull of L2; `pull` is 2λ. */
fn descend(before: Element, slope: f32, pull: f32) -> Element {
  var after = before;
  let g = slope + pull * before.w;
  if (MOMENTS == 1u) {
    after.first = MOMENTUM * before.first - step.rate * g;
    after.w = before.w + after.first;
  } else {
    after.first = BETA1 * before.first + (1.0 - BETA1) * g;
    after.second = BETA2 * before.second + (1.0 - BETA2) * (g * g);
    after.w = before.w - step.rate * after.first / (sqrt(after.second) + EPSILON);
  }
  return after;
}

/** The number at `at` of the layers' parameters. */
fn dense_element(at: u32) -> Element {
  var element = Element(dense[at], dense[at + DENSE_LENGTH], 0.0);
  if (MOMENTS == 2u) { element.second = dense[at + 2u * DENSE_LENGTH]; }
  return element;
}

fn move_dense(at: u32, before: Element, slope: f32, pull: f32) {
  let element = descend(before, slope, pull);
  dense[at] = element.w;
  dense[at + DENSE_LENGTH] = element.first;
  if (MOMENTS == 2u) { dense[at + 2u * DENSE_LENGTH] = element.second; }
}
