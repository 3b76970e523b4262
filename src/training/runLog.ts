// What goes into the log of a run: who trains it, how it ended, what was not as planned. Progress and epochs have tables of their own.
// A line that cannot be written is left out: the run is worth more than its log.

import { hostname } from 'node:os';
import type { LogLevel } from '../store/prisma/client.js';
import { appendRunLog } from '../store/runLogs.js';
import type { Store } from '../store/store.js';
import type { TrainingEvent } from './events.js';
import type { RunOutcome } from './runInThread.js';

export interface RunLogWriter {
  tell(event: TrainingEvent): void;
  /** Resolves when all lines are written. */
  end(outcome: RunOutcome): Promise<void>;
}

export function openRunLog(store: Store, runId: number): RunLogWriter {
  let written = Promise.resolve();
  const write = (level: LogLevel, message: string) => {
    written = written.then(() => appendRunLog(store, runId, level, message)).catch(() => {});
  };
  return {
    tell(event) {
      const message = messageOf(event);
      if (message !== null) write('INFO', message);
    },
    end(outcome) {
      if (outcome.status !== 'SUCCEEDED') write(...lastLine(outcome));
      return written;
    },
  };
}

/** null for what is not for the log. */
function messageOf(event: TrainingEvent): string | null {
  switch (event.event) {
    case 'started':
      return `process ${process.pid} on ${hostname()} trains by engine ${event.engine} (${event.device}) on ${event.trainRatings} ratings, and tests on ${event.testRatings}`;
    case 'resumed':
      return `it goes on after epoch ${event.epoch}, from a checkpoint`;
    case 'kept':
      return `the parameters of epoch ${event.epoch} are kept, the best on the validation ratings`;
    case 'evaluating':
      return 'training is done';
    case 'tried':
      return `the trial succeeded with an RMSE of ${event.validationRmse.toFixed(4)} on the validation ratings`;
    case 'succeeded':
      return `the run succeeded with a test RMSE of ${event.evaluation.rmse.toFixed(4)}`;
    case 'reading':
    case 'progress':
    case 'epoch':
    case 'ranking':
      return null;
    default:
      return event satisfies never;
  }
}

function lastLine({ status, error }: Exclude<RunOutcome, { status: 'SUCCEEDED' }>): [LogLevel, string] {
  switch (status) {
    case 'QUEUED':
      return ['WARN', `the run goes back into the queue: ${error.message}`];
    case 'CANCELLED':
      return ['WARN', error.message];
    case 'FAILED':
      return ['ERROR', `${error.code}: ${error.message}`];
    default:
      return status satisfies never;
  }
}
