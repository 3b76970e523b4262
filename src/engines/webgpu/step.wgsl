// Which step of the submission it is. The two phases count for each other, so that nothing has to be bound for a step: A reads how many
// steps phase B has finished, and B how many A has begun.

struct Step {
  /** Of the submission's samples. */
  first: u32,
  samples: u32,
  number: u32,
  loss: u32,
  rate: f32,
}

var<private> step: Step;

/** Step n of the submission. */
fn begin_step(n: u32) {
  let first = n * BATCH_SIZE;
  let samples = min(BATCH_SIZE, submission.samples - first);
  var rate = submission.rate;
  // Adam's rates differ; it has no skips, and the host puts the rates there.
  if (MOMENTS == 2u) { rate = skips[n / 4u][n % 4u]; }
  step = Step(first, samples, submission.number + n, submission.loss + n, rate);
}
