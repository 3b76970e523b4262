// What a run tells while it trains, as text for people and as a share for a progress bar.

import type { EpochMetricRow } from '../store/runProgress.js';
import type { TrainingEvent } from '../training/events.js';
import { describeEvaluation, formatCount, type OtherModel } from './report.js';

/** Of more epochs than this a person is told every tenth and the last. */
const TOLD_EPOCHS = 50;

/** null for events that are not progress. */
export function shareOf(event: TrainingEvent): number | null {
  if (event.event === 'reading') return event.total === 0 ? 1 : event.rows / event.total;
  if (event.event === 'ranking') return event.users / event.total;
  return event.event === 'progress' ? (event.epoch - 1 + event.step / event.steps) / event.epochs : null;
}

/** null for events that people are not told of. */
export function describeTraining(event: TrainingEvent, others: readonly OtherModel[]): string | null {
  switch (event.event) {
    case 'reading':
      return 'reading ratings';
    case 'started':
      return `engine ${event.engine} (${event.device}): ${formatCount(event.trainRatings)} training ratings, ${formatCount(event.testRatings)} test ratings`;
    case 'resumed':
      return `going on after epoch ${event.epoch}, from a checkpoint`;
    case 'progress':
      return `epoch ${event.epoch}/${event.epochs}, loss ${event.trainLoss?.toFixed(4)}, ${Math.ceil(event.etaSeconds ?? 0)} s left`;
    case 'epoch': {
      const isTold = event.epochs <= TOLD_EPOCHS || event.epoch % 10 === 0 || event.epoch === event.epochs;
      if (!isTold) return null;
      const epoch = `${String(event.epoch).padStart(3)}/${event.epochs}`;
      return `epoch ${epoch}  ${describeLosses(event)}  ${event.seconds.toFixed(1)} s`;
    }
    case 'kept':
      return `keeping epoch ${event.epoch}, the best on the validation ratings`;
    case 'evaluating':
      return null;
    case 'ranking':
      return `ranking movies for ${formatCount(event.total)} users of the test ratings`;
    case 'tried':
      return `RMSE ${event.validationRmse.toFixed(4)} on the validation ratings`;
    case 'succeeded':
      return `${describeEvaluation(event.evaluation, others)}${event.note ? `\n${event.note}\n` : ''}`;
    default:
      return event satisfies never;
  }
}

/** Of steps the losses, as training lowers them; of sweeps, which lower none, errors in stars. */
function describeLosses({ trainLoss, validationLoss, noise }: EpochMetricRow): string {
  if (noise === null) return `train ${trainLoss.toFixed(4)}  validation ${validationLoss.toFixed(4)}`;
  const [train, validation] = [trainLoss, validationLoss].map((loss) => Math.sqrt(loss).toFixed(4));
  return `training RMSE ${train}  noise ${noise.toFixed(4)}  validation RMSE of the mean ${validation}`;
}
