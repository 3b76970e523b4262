// What was asked for → a complete, checked request for a search, with all its trials drawn. The CLI and the API ask the same way.

import { AppError } from '../errors.js';
import type { Hyperparameters } from './hyperparameters.js';
import { type RunArguments, type RunRequest, resolveRunRequest } from './runRequest.js';
import { FACTOR } from './searchPlan.js';
import {
  drawTrials,
  type GivenDimension,
  resolveSpace,
  type SearchStrategy,
  type Space,
  searchableNames,
} from './searchSpace.js';

export const DEFAULT_TRIALS = 27;
export const MAX_TRIALS = 500;
/** Of the training ratings, for trials to be judged by. */
export const DEFAULT_VALIDATION_FRACTION = 0.1;

/** Settings as of a run; seed: of the draws, too; promote: the winner's model, if the gate lets it. */
export interface SearchRequest extends Omit<RunRequest, 'repeats'> {
  strategy: SearchStrategy;
  space: Space;
  /** What each trial has in the end; the first rungs of HALVING take fewer epochs. */
  trials: readonly Hyperparameters[];
}

/** Absent and null alike mean the default; hyperparameters: what does not vary. */
export interface SearchArguments extends RunArguments {
  strategy?: SearchStrategy | null;
  trials?: number | null;
  space: Readonly<Record<string, GivenDimension>>;
}

/** The engine is for the caller to check. @throws AppError PRESET_UNKNOWN, HYPERPARAMETER_INVALID, SEARCH_INVALID */
export function resolveSearchRequest(given: SearchArguments, codeVersion: string): SearchRequest {
  const strategy = given.strategy ?? 'RANDOM';
  const count = given.trials ?? DEFAULT_TRIALS;
  const validationFraction = given.hyperparameters?.validationFraction ?? DEFAULT_VALIDATION_FRACTION;
  const request = resolveRunRequest(
    { ...given, hyperparameters: { ...given.hyperparameters, validationFraction } },
    codeVersion,
  );
  const { preset, hyperparameters, seed } = request;
  checkTrials(strategy, count, hyperparameters);
  const space = resolveSpace(given.space, searchableNames(hyperparameters.kind, strategy));
  const trials = drawTrials(space, { preset, hyperparameters, seed, trials: count });
  return { ...request, promote: given.promote ?? false, strategy, space, trials };
}

function checkTrials(
  strategy: SearchStrategy,
  trials: number,
  { epochs, validationFraction }: Hyperparameters,
): void {
  if (!Number.isInteger(trials) || trials < 1 || trials > MAX_TRIALS)
    throw invalid('trials', `trials is ${trials}: expected a whole number from 1 to ${MAX_TRIALS}`);
  if (validationFraction === 0)
    throw invalid(
      'hyperparameters',
      'validationFraction is 0: trials are judged by ratings held out of training',
    );
  if (strategy === 'HALVING' && Math.min(trials, epochs) < FACTOR) {
    const text = `successive halving of ${trials} trials and ${epochs} epochs has a single rung: expected ${FACTOR} or more of both`;
    throw invalid('trials', text);
  }
}

function invalid(argument: string, text: string): AppError {
  return new AppError('SEARCH_INVALID', text, { argumentPath: [argument] });
}
