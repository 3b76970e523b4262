// Phase B of a step: parameters are moved by the batch. Workgroups in this order: UNIT_GROUPS for the hidden units, one for the output
// bias and the loss, and two halves for the rows of users and of movies. No two workgroups write the same number.
//
//   S[h] = Σ_i on_ih·e_i·X[i]      ∂/∂W[h] = w₂[h]·S[h]      ∂/∂w₂[h] = W[h]·S[h]

@compute @workgroup_size(UPDATE_THREADS)
fn update(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) t: u32,
) {
  let begun = marks[BEGUN_AT];
  begin_step(begun - 1u);
  if (group.x < UNIT_GROUPS) {
    update_units(group.x, t);
  } else if (group.x == UNIT_GROUPS) {
    finish_batch(t);
    if (t == 0u) { dense[FINISHED_AT] = f32(begun); }
  } else {
    let half = (groups.x - UNIT_GROUPS - 1u) / 2u;
    let of_rows = group.x - UNIT_GROUPS - 1u;
    update_rows(of_rows % half, of_rows / half, t);
  }
}

// The output bias and the loss.

var<workgroup> totals: array<vec2f, UPDATE_THREADS>;

fn finish_batch(t: u32) {
  var total = vec2f();
  for (var i = t; i < step.samples; i += UPDATE_THREADS) {
    let difference = bitcast<f32>(marks[ERRORS_AT + i]);
    total += vec2f(difference, difference * difference);
  }
  totals[t] = total;
  for (var width = UPDATE_THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (t < width) { totals[t] += totals[t + width]; }
  }
  if (t > 0u) { return; }
  move_dense(OUTPUT_BIAS_AT, dense_element(OUTPUT_BIAS_AT), totals[0].x * (2.0 / f32(step.samples)), 0.0);
  dense[LOSSES_AT + step.loss] = totals[0].y;
}
