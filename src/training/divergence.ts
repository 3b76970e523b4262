// When a run has lost its way: a loss that is no number any more, or far above that of guessing the mean. It ends then, with advice,
// instead of storing a model that is worth nothing.

import { AppError } from '../errors.js';
import type { Hyperparameters } from '../store/hyperparameters.js';
import type { RatingSet } from './split.js';

/** No model that learns ends an epoch with an error of more than three times the deviation of the ratings. */
const EXPLODED = 10;
/** A tenth of a star, squared: where ratings are all alike, guessing the mean is as good as perfect, and no measure of anything. */
const LEAST_LOSS = 0.01;

/** Mean squared error of guessing `ratingMean` for all of them. */
export function lossOfMean({ ratings }: RatingSet, ratingMean: number): number {
  let squares = 0;
  for (const rating of ratings) squares += (rating - ratingMean) ** 2;
  return squares / ratings.length;
}

/** @throws AppError RUN_DIVERGED */
export function checkFinite(epoch: number, loss: number, hyperparameters: Hyperparameters): void {
  if (!Number.isFinite(loss)) throw diverged(`the loss became ${loss} in epoch ${epoch}`, hyperparameters);
}

/** Of a loss after an epoch. A chain cannot explode, but its first draws may be far off. @throws AppError RUN_DIVERGED */
export function checkLoss(
  epoch: number,
  loss: number,
  meanLoss: number,
  hyperparameters: Hyperparameters,
): void {
  checkFinite(epoch, loss, hyperparameters);
  if (hyperparameters.kind !== 'gradient' || loss <= EXPLODED * Math.max(meanLoss, LEAST_LOSS)) return;
  throw diverged(
    `the loss after epoch ${epoch} is ${loss.toPrecision(3)}, and guessing the mean has ${meanLoss.toPrecision(3)}`,
    hyperparameters,
  );
}

function diverged(what: string, { kind, optimizer, learningRate, momentum }: Hyperparameters): AppError {
  if (kind !== 'gradient') return new AppError('RUN_DIVERGED', `${what}: try another seed`);
  const isSgd = optimizer === 'sgd';
  const settings = `${optimizer} with a learning rate of ${learningRate}${isSgd ? ` and momentum ${momentum}` : ''}`;
  const calmer = isSgd && momentum > 0.9 ? ' and momentum 0.9' : '';
  const slower = Math.max(1e-6, Number((learningRate / 10).toPrecision(2)));
  return new AppError('RUN_DIVERGED', `${what}: ${settings} is too fast here; try ${slower}${calmer}`);
}
