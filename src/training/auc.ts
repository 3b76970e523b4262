// The area under the ROC curve, exact: the share of pairs of a positive and a negative test rating in which the positive one has the
// higher prediction; a tie counts half (Mann & Whitney 1947). Positive means actually above the threshold, as in the confusion matrix.

/** null where one of the classes is empty. */
export function aucAt(threshold: number, actual: Float32Array, predicted: Float32Array): number | null {
  const positives = predicted.filter((_, i) => actual[i] > threshold).sort();
  const negatives = predicted.filter((_, i) => !(actual[i] > threshold)).sort();
  if (positives.length === 0 || negatives.length === 0) return null;
  // Negatives below the positive at hand, and not above it.
  let [below, notAbove, halves] = [0, 0, 0];
  for (const score of positives) {
    while (below < negatives.length && negatives[below] < score) below++;
    while (notAbove < negatives.length && negatives[notAbove] <= score) notAbove++;
    halves += below + notAbove;
  }
  return halves / 2 / positives.length / negatives.length;
}
