// Rows of a table read as they stand. TABLE stands for users or movies: the text is put into a shader once for each.
// A row of W numbers is an embedding (K) and, where the model has biases, the bias: number K of the row.

/** Where number k of a row lies in its bank; part 0: the parameter, 1, 2: its moments. */
fn TABLE_at(row: u32, part: u32, k: u32) -> u32 {
  let local = TABLE_local(row);
  if (k < K) { return (part * TABLE_BANK_ROWS + local) * K + k; }
  return (PARTS * K + part) * TABLE_BANK_ROWS + local;
}

/** Where the step is noted after which the row stands (sgd). */
fn TABLE_stands_at(row: u32) -> u32 {
  return PARTS * W * TABLE_BANK_ROWS + TABLE_local(row);
}

/** Number k of a row after `now` steps. */
fn TABLE_value(row: u32, k: u32, now: u32) -> f32 {
  let bank = TABLE_bank(row);
  let w = bitcast<f32>(TABLE_load(bank, TABLE_at(row, 0u, k)));
  if (MOMENTS != 1u) { return w; }
  let v = bitcast<f32>(TABLE_load(bank, TABLE_at(row, 1u, k)));
  let skipped = now - TABLE_load(bank, TABLE_stands_at(row));
  return after_skips(w, v, skipped, select(0u, 1u, k >= K)).x;
}
