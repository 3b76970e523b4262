// Rows of a table changed. TABLE stands for users or movies, as in readRows.wgsl.

/** Moves number k of a row that stands after `stands` steps by step `step.number`, with the slope of the batch. */
fn TABLE_move(row: u32, k: u32, stands: u32, slope: f32) {
  let bank = TABLE_bank(row);
  let at = TABLE_at(row, 0u, k);
  let first_at = TABLE_at(row, 1u, k);
  let pull = select(PULL_EMBEDDINGS, PULL_BIASES, k >= K);
  var element = Element(bitcast<f32>(TABLE_load(bank, at)), bitcast<f32>(TABLE_load(bank, first_at)), 0.0);
  if (MOMENTS == 1u) {
    let state = after_skips(element.w, element.first, step.number - 1u - stands, select(0u, 1u, k >= K));
    element.w = state.x;
    element.first = state.y;
  } else {
    element.second = bitcast<f32>(TABLE_load(bank, TABLE_at(row, 2u, k)));
  }
  element = descend(element, slope, pull);
  TABLE_store(bank, at, bitcast<u32>(element.w));
  TABLE_store(bank, first_at, bitcast<u32>(element.first));
  if (MOMENTS == 2u) { TABLE_store(bank, TABLE_at(row, 2u, k), bitcast<u32>(element.second)); }
}

/** Brings number k of a row to where it stands after `step.number` steps; the notes are cleared by the host afterwards. */
fn TABLE_catch_up(row: u32, k: u32) {
  let bank = TABLE_bank(row);
  let skipped = step.number - TABLE_load(bank, TABLE_stands_at(row));
  if (skipped == 0u) { return; }
  let at = TABLE_at(row, 0u, k);
  let first_at = TABLE_at(row, 1u, k);
  let w = bitcast<f32>(TABLE_load(bank, at));
  let v = bitcast<f32>(TABLE_load(bank, first_at));
  let state = after_skips(w, v, skipped, select(0u, 1u, k >= K));
  TABLE_store(bank, at, bitcast<u32>(state.x));
  TABLE_store(bank, first_at, bitcast<u32>(state.y));
}

/** Every number of the table, shared out among all invocations. */
@compute @workgroup_size(UPDATE_THREADS)
fn catch_up_TABLE(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  step.number = submission.number;
  for (var e = id.x; e < TABLE_ROWS * W; e += groups.x * UPDATE_THREADS) { TABLE_catch_up(e / W, e % W); }
}
