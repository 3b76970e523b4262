// What a run tells while it trains, step by step; the same for the terminal, the log and the parent of a thread.

import type { EpochMetricRow, RunProgress } from '../store/runProgress.js';
import type { MeasuredEvaluation } from './evaluate.js';

export type TrainingEvent =
  | { event: 'reading'; rows: number; total: number }
  | {
      event: 'started';
      engine: string;
      device: string;
      threads: number;
      trainRatings: number;
      testRatings: number;
    }
  /** It goes on after `epoch` epochs, from a checkpoint. */
  | { event: 'resumed'; epoch: number }
  | ({ event: 'progress' } & RunProgress)
  | ({ event: 'epoch'; epochs: number } & EpochMetricRow)
  /** The epoch with the lowest validation loss, when epochs are over. */
  | { event: 'kept'; epoch: number }
  | { event: 'evaluating' }
  /** So many of the users whose lists are measured are done. */
  | { event: 'ranking'; users: number; total: number }
  /** Of a trial, which ends so: it is not evaluated. */
  | { event: 'tried'; validationRmse: number }
  /** note: why the model was not promoted though it should. peakRssMiB: the most memory that the process has held so far, whatever else it did. */
  | {
      event: 'succeeded';
      modelId: number;
      note: string | null;
      evaluation: MeasuredEvaluation;
      peakRssMiB: number;
    };

export interface TrainingOptions {
  onEvent?: (event: TrainingEvent) => void;
  signal?: AbortSignal;
  /** Aborted when somebody else is to go on: stops after a checkpoint, where the end of the epoch is near. */
  handBack?: AbortSignal;
}
