// What a run tells while it trains, step by step; the same for the terminal, the log and the parent of a thread.

import type { EpochMetricRow, RunProgress } from '../store/runs.js';
import type { EvaluationResult } from './evaluate.js';

export type TrainingEvent =
  | { event: 'reading'; rows: number; total: number }
  | { event: 'started'; engine: string; device: string; trainRatings: number; testRatings: number }
  | ({ event: 'progress' } & RunProgress)
  | ({ event: 'epoch'; epochs: number } & EpochMetricRow)
  | { event: 'evaluating' }
  | { event: 'succeeded'; modelId: number; evaluation: EvaluationResult };

export interface TrainingOptions {
  onEvent?: (event: TrainingEvent) => void;
  signal?: AbortSignal;
}
