// What was asked for → a complete, checked request for a run. The CLI and the API ask the same way and are refused the same way.

import { AppError } from '../errors.js';
import { checkSeed, resolveHyperparameters, resolveSplit } from './hyperparameterChecks.js';
import { DEFAULT_PRESET, DEFAULT_SEED, type Hyperparameters, type Split } from './hyperparameters.js';

const MAX_PRIORITY = 100;

export interface RunRequest {
  preset: string;
  hyperparameters: Hyperparameters;
  split: Split;
  seed: number;
  /** "auto" or the name of an engine. */
  engine: string;
  promote: boolean;
  /** Higher ones are taken first, -100 to 100. */
  priority: number;
  /** Asking again with the same key gives the same run. */
  idempotencyKey: string | null;
  codeVersion: string;
  /** Id of the run whose record it was made from; its ratings must be the same then. */
  repeats?: number;
}

/** Absent and null alike mean the default. */
export type RunArguments = {
  [Name in keyof Omit<RunRequest, 'codeVersion' | 'hyperparameters' | 'split' | 'repeats'>]?:
    | RunRequest[Name]
    | null;
} & {
  hyperparameters?: Partial<Hyperparameters> | null;
  split?: Partial<Split> | null;
};

/** The engine is for the caller to check. @throws AppError PRESET_UNKNOWN, HYPERPARAMETER_INVALID */
export function resolveRunRequest(given: RunArguments, codeVersion: string): RunRequest {
  const preset = given.preset ?? DEFAULT_PRESET;
  const { seed, priority } = { seed: given.seed ?? DEFAULT_SEED, priority: given.priority ?? 0 };
  checkSeed(['seed'], seed);
  checkPriority(priority);
  return {
    preset,
    seed,
    hyperparameters: resolveHyperparameters(preset, given.hyperparameters ?? {}),
    split: resolveSplit(given.split ?? {}),
    engine: given.engine ?? 'auto',
    promote: given.promote ?? true,
    priority,
    idempotencyKey: given.idempotencyKey ?? null,
    codeVersion,
  };
}

function checkPriority(priority: number): void {
  if (Number.isInteger(priority) && Math.abs(priority) <= MAX_PRIORITY) return;
  const range = `a whole number from -${MAX_PRIORITY} to ${MAX_PRIORITY}`;
  throw new AppError('HYPERPARAMETER_INVALID', `priority is ${priority}: expected ${range}`, {
    argumentPath: ['priority'],
  });
}
