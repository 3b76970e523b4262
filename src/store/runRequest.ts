// What was asked for → a complete, checked request for a run. The CLI and the API ask the same way and are refused the same way.

import {
  checkSeed,
  DEFAULT_PRESET,
  DEFAULT_SEED,
  type Hyperparameters,
  resolveHyperparameters,
  resolveSplit,
  type Split,
} from './hyperparameters.js';

export interface RunRequest {
  preset: string;
  hyperparameters: Hyperparameters;
  split: Split;
  seed: number;
  /** "auto" or the name of an engine. */
  engine: string;
  promote: boolean;
  /** Asking again with the same key gives the same run. */
  idempotencyKey: string | null;
  codeVersion: string;
}

/** Absent and null alike mean the default. */
export type RunArguments = {
  [Name in keyof Omit<RunRequest, 'codeVersion' | 'hyperparameters' | 'split'>]?: RunRequest[Name] | null;
} & {
  hyperparameters?: Partial<Hyperparameters> | null;
  split?: Partial<Split> | null;
};

/** The engine is for the caller to check. @throws AppError PRESET_UNKNOWN, HYPERPARAMETER_INVALID */
export function resolveRunRequest(given: RunArguments, codeVersion: string): RunRequest {
  const preset = given.preset ?? DEFAULT_PRESET;
  const seed = given.seed ?? DEFAULT_SEED;
  checkSeed(['seed'], seed);
  return {
    preset,
    seed,
    hyperparameters: resolveHyperparameters(preset, given.hyperparameters ?? {}),
    split: resolveSplit(given.split ?? {}),
    engine: given.engine ?? 'auto',
    promote: given.promote ?? true,
    idempotencyKey: given.idempotencyKey ?? null,
    codeVersion,
  };
}
