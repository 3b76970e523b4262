// An evaluation as tables for people: the model beside the baselines, the confusion matrix (rows actual), calibration, ranking.

import type { RankingRecord } from '../store/rankings.js';
import type { CalibrationBin, ConfusionCounts, ErrorFigures } from '../training/evaluate.js';

/** Length of the lists that are shown of those that are measured. */
const SHOWN_LENGTH = 10;

interface Evaluated extends ErrorFigures {
  testRatings: number;
  confusion: ConfusionCounts;
  auc: number | null;
  calibration: readonly CalibrationBin[];
  rankings: readonly RankingRecord[];
  baselines: (ErrorFigures & { name: string })[];
  intervals: { level: number; held: number }[] | null;
}

/** A model measured on the same test ratings before. */
export interface OtherModel extends ErrorFigures {
  name: string;
}

export function describeEvaluation(
  { testRatings, confusion, auc, baselines, calibration, intervals, rankings, ...figures }: Evaluated,
  others: readonly OtherModel[] = [],
): string {
  const rows = [...baselines, ...others].sort((a, b) => b.rmse - a.rmse);
  return [
    '',
    `on ${formatCount(testRatings)} test ratings        RMSE     MAE     MSE`,
    ...rows.map((baseline) => figuresRow(baseline.name, baseline)),
    figuresRow('this model', figures),
    '',
    ...confusionLines(confusion, testRatings, auc),
    '',
    ...calibrationLines(calibration),
    ...(intervals?.length ? ['', describeIntervals(intervals)] : []),
    '',
    ...rankingLines(rankings),
    '',
  ].join('\n');
}

function confusionLines(
  { threshold, truePositives, falsePositives, trueNegatives, falseNegatives }: ConfusionCounts,
  testRatings: number,
  auc: number | null,
): string[] {
  const figures = {
    accuracy: (truePositives + trueNegatives) / testRatings,
    precision: truePositives / (truePositives + falsePositives),
    recall: truePositives / (truePositives + falseNegatives),
    F1: (2 * truePositives) / (2 * truePositives + falsePositives + falseNegatives),
    AUC: auc ?? Number.NaN,
  };
  const known = Object.entries(figures).filter(([, figure]) => Number.isFinite(figure));
  return [
    `above or below ${threshold.toFixed(3)}      predicted below  predicted above`,
    `  actual below           ${String(trueNegatives).padStart(13)}  ${String(falsePositives).padStart(15)}`,
    `  actual above           ${String(falseNegatives).padStart(13)}  ${String(truePositives).padStart(15)}`,
    `  ${known.map(([name, figure]) => `${name} ${figure.toFixed(3)}`).join('  ')}`,
  ];
}

function calibrationLines(bins: readonly CalibrationBin[]): string[] {
  return [
    'predicted from             ratings  mean predicted  mean actual',
    ...bins.map(
      ({ predictedFrom, ratings, meanPredicted, meanActual }) =>
        `  ${predictedFrom.toFixed(2).padEnd(22)} ${formatCount(ratings).padStart(9)}  ${meanPredicted.toFixed(3).padStart(14)}  ${meanActual.toFixed(3).padStart(11)}`,
    ),
  ];
}

function rankingLines(rankings: readonly RankingRecord[]): string[] {
  const shown = rankings.filter(({ k }) => k === SHOWN_LENGTH).sort((a, b) => a.ndcg - b.ndcg);
  if (shown.length === 0) return [];
  const columns = [
    'ndcg',
    'recall',
    'precision',
    'map',
    'hitRate',
    'coverage',
    'novelty',
    'diversity',
  ] as const;
  const title = `lists of ${SHOWN_LENGTH} of ${formatCount(shown[0].users)} users`.padEnd(28);
  return [
    title + columns.map((name) => name.padStart(9)).join('  '),
    ...shown.map(
      (row) =>
        `  ${row.name.padEnd(26)}${columns.map((name) => (row[name]?.toFixed(4) ?? '–').padStart(9)).join('  ')}`,
    ),
  ];
}

/** What they held for what they promised. */
export function describeIntervals(intervals: readonly { level: number; held: number }[]): string {
  const shares = intervals.map(
    ({ level, held }) => `${(held * 100).toFixed(1)} % for ${(level * 100).toFixed(0)} %`,
  );
  return `intervals hold ${shares.join(', ')}`;
}

function figuresRow(name: string, { rmse, mae, mse }: ErrorFigures): string {
  return `  ${name.padEnd(26)} ${[rmse, mae, mse].map((figure) => figure.toFixed(4)).join('  ')}`;
}

/** 100836 → "100,836" */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}
