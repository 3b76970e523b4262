// The plan of a search: its rungs, and what is next, from nothing but the trials there are. So whoever asks, whenever, hears the same.
//
//   RANDOM    one rung: all trials, with all epochs.
//   HALVING   (successive halving, Jamieson & Talwalkar 2016, with a factor of 3) the first rung trains all trials with few epochs; each
//             further one trains the best third of the one before it anew, with three times the epochs, up to all.

import type { Hyperparameters } from './hyperparameters.js';
import type { RunStatus } from './prisma/client.js';
import type { SearchStrategy } from './searchSpace.js';

export const FACTOR = 3;

export interface Rung {
  /** From 1. */
  rung: number;
  trials: number;
  /** By how much the epochs are divided. */
  divisor: number;
}

/** A trial in a rung. */
export interface Trial {
  /** Of its run. */
  id: number;
  rung: number;
  trial: number;
  status: RunStatus;
  /** Of one that succeeded. */
  validationRmse: number | null;
}

export type NextStep =
  | { kind: 'wait' }
  | { kind: 'train'; rung: Rung; trials: number[] }
  | { kind: 'crown'; winner: Trial }
  | { kind: 'fail' };

export function rungsOf(strategy: SearchStrategy, trials: number, epochs: number): Rung[] {
  let count = 1;
  if (strategy === 'HALVING') while (FACTOR ** count <= Math.min(trials, epochs)) count++;
  return Array.from({ length: count }, (_, i) => ({
    rung: i + 1,
    trials: Math.floor(trials / FACTOR ** i),
    divisor: FACTOR ** (count - 1 - i),
  }));
}

/** What a trial trains with in a rung. */
export function onRung(trial: Hyperparameters, { divisor }: Rung): Hyperparameters {
  return {
    ...trial,
    epochs: Math.round(trial.epochs / divisor),
    burnIn: Math.floor(trial.burnIn / divisor),
  };
}

/**
 * Trials that failed or were cancelled are passed over. Where all of a rung were, as many of the next best of the rung before it take
 * their places.
 */
export function nextStep(rungs: readonly Rung[], trials: readonly Trial[]): NextStep {
  let best: Trial[] = [];
  for (const rung of rungs) {
    const here = trials.filter((trial) => trial.rung === rung.rung);
    if (here.some(({ status }) => status === 'QUEUED' || status === 'RUNNING')) return { kind: 'wait' };
    const succeeded = here.filter(({ status }) => status === 'SUCCEEDED').sort(byRmse);
    if (succeeded.length === 0) {
      const tried = new Set(here.map(({ trial }) => trial));
      const next = best.filter(({ trial }) => !tried.has(trial)).slice(0, rung.trials);
      return next.length === 0
        ? { kind: 'fail' }
        : { kind: 'train', rung, trials: next.map(({ trial }) => trial) };
    }
    best = succeeded;
  }
  return { kind: 'crown', winner: best[0] };
}

function byRmse(a: Trial, b: Trial): number {
  return a.validationRmse! - b.validationRmse! || a.trial - b.trial;
}
