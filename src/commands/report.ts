// An evaluation as a table for people: the model beside the baselines, then the confusion matrix, rows actual.

import type { ConfusionCounts, ErrorFigures } from '../training/evaluate.js';

interface Evaluated extends ErrorFigures {
  testRatings: number;
  confusion: ConfusionCounts;
  baselines: (ErrorFigures & { name: string })[];
  intervals: { level: number; held: number }[] | null;
}

/** A model measured on the same test ratings before. */
export interface OtherModel extends ErrorFigures {
  name: string;
}

export function describeEvaluation(
  { testRatings, confusion, baselines, intervals, ...figures }: Evaluated,
  others: readonly OtherModel[] = [],
): string {
  const { threshold, truePositives, falsePositives, trueNegatives, falseNegatives } = confusion;
  const accuracy = (truePositives + trueNegatives) / testRatings;
  const rows = [...baselines, ...others].sort((a, b) => b.rmse - a.rmse);
  return [
    '',
    `on ${formatCount(testRatings)} test ratings        RMSE     MAE     MSE`,
    ...rows.map((baseline) => figuresRow(baseline.name, baseline)),
    figuresRow('this model', figures),
    '',
    `above or below ${threshold.toFixed(3)}      predicted below  predicted above`,
    `  actual below           ${String(trueNegatives).padStart(13)}  ${String(falsePositives).padStart(15)}`,
    `  actual above           ${String(falseNegatives).padStart(13)}  ${String(truePositives).padStart(15)}`,
    `  accuracy ${(accuracy * 100).toFixed(1)} %`,
    ...(intervals?.length ? ['', `intervals hold ${intervals.map(describeInterval).join(', ')}`] : []),
    '',
  ].join('\n');
}

/** What they held for what they promised. */
function describeInterval({ level, held }: { level: number; held: number }): string {
  return `${(held * 100).toFixed(1)} % for ${level * 100} %`;
}

function figuresRow(name: string, { rmse, mae, mse }: ErrorFigures): string {
  return `  ${name.padEnd(26)} ${[rmse, mae, mse].map((figure) => figure.toFixed(4)).join('  ')}`;
}

/** 100836 → "100,836" */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}
