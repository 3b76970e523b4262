// What the record of a run is good for: to train it again, and to see how runs differ.
// Apart from store/runs.ts, which moves runs from state to state; nothing here changes one.

import { AppError } from '../errors.js';
import { findEpochs, findEvaluations, findModelsOfRuns } from './evaluations.js';
import { HYPERPARAMETER_DOMAINS } from './hyperparameterChecks.js';
import { keptEpoch, type Split, storedHyperparameters } from './hyperparameters.js';
import type { TrainingRun } from './prisma/client.js';
import type { RunRequest } from './runRequest.js';
import { findRuns, getRun } from './runs.js';
import type { Store } from './store.js';

export type RunFact = string | number | boolean | null;

/** One line of a comparison: a value for each run. */
export interface ComparedFact {
  name: string;
  values: RunFact[];
  /** Whether all values are the same. */
  same: boolean;
}

/**
 * A request for the same run once more, on the engine that trained it. Its model does not become active: it is the model that is
 * there already.
 * @throws AppError RUN_NOT_FOUND, RUN_NOT_REPEATABLE
 */
export async function repeatRequest(store: Store, runId: number, codeVersion: string): Promise<RunRequest> {
  const run = await getRun(store, runId);
  if (run.snapshotChecksum === null) {
    throw new AppError('RUN_NOT_REPEATABLE', `training run ${runId} never began: it is ${run.status}`, {
      argumentPath: ['runId'],
    });
  }
  return {
    preset: run.preset,
    hyperparameters: storedHyperparameters(run.hyperparameters),
    split: run.split as unknown as Split,
    seed: run.seed,
    engine: run.engine,
    promote: false,
    priority: 0,
    idempotencyKey: null,
    codeVersion,
    repeats: runId,
  };
}

/** Of a run that repeats another: whether it has read what that one read. @throws AppError RUN_OTHER_RATINGS */
export async function checkRepeatedRatings(store: Store, run: TrainingRun, checksum: string): Promise<void> {
  if (run.repeats === null) return;
  const { snapshotChecksum, snapshotRatings } = await getRun(store, run.repeats);
  if (snapshotChecksum === checksum) return;
  throw new AppError(
    'RUN_OTHER_RATINGS',
    `run ${run.repeats} was trained on ${snapshotRatings} ratings with the checksum ${snapshotChecksum?.slice(0, 12)}…, the store has ${checksum.slice(0, 12)}…`,
  );
}

/** Whether two runs have models of the same bits; null where one of them has no model. */
export async function haveSameModel(store: Store, a: number, b: number): Promise<boolean | null> {
  const [first, second] = await modelDigests(store, [a, b]);
  return first === null || second === null ? null : first === second;
}

/** All facts of the runs' records side by side, and the digests of their models. @throws AppError RUN_NOT_FOUND */
export async function compareRuns(store: Store, ids: readonly number[]): Promise<ComparedFact[]> {
  const facts = await runFacts(store, ids);
  const digests = await modelDigests(store, ids);
  const records = facts.map(
    (record, i) => ({ ...record, modelDigest: digests[i] }) as Record<string, RunFact>,
  );
  const names = new Set(records.flatMap((record) => Object.keys(record)));
  return [...names].map((name) => {
    const values = records.map((record) => record[name] ?? null);
    return { name, values, same: values.every((value) => value === values[0]) };
  });
}

/** The record of each run as plain facts, in the order in which a person reads them. @throws AppError RUN_NOT_FOUND */
export async function runFacts(store: Store, ids: readonly number[]): Promise<Record<string, RunFact>[]> {
  const [runs, epochs, evaluations, models] = await Promise.all([
    findRuns(store, ids),
    findEpochs(store, ids),
    findEvaluations(store, ids),
    findModelsOfRuns(store, ids),
  ]);
  return runs.map((run, i) => {
    if (!run) throw new AppError('RUN_NOT_FOUND', `no training run ${ids[i]}`);
    const hyperparameters = storedHyperparameters(run.hyperparameters);
    const evaluation = evaluations[i];
    return {
      ...settingsOf(run),
      epochsDone: epochs[i].length,
      keptEpoch: keptEpoch(hyperparameters, epochs[i]),
      trainLoss: epochs[i].at(-1)?.trainLoss ?? null,
      validationLoss: epochs[i].at(-1)?.validationLoss ?? null,
      rmse: evaluation?.rmse ?? null,
      mae: evaluation?.mae ?? null,
      mse: evaluation?.mse ?? null,
      // So that nobody mistakes the errors above for good ones.
      ...prefixed(
        'rmse',
        Object.fromEntries((evaluation?.baselines ?? []).map(({ name, rmse }) => [name, rmse])),
      ),
      ...prefixed('seconds', (run.timings ?? {}) as Record<string, number>),
      modelVersion: models[i]?.version ?? null,
    };
  });
}

function settingsOf(run: TrainingRun): Record<string, RunFact> {
  return {
    status: run.status,
    errorCode: run.errorCode,
    preset: run.preset,
    engine: run.engine,
    device: run.device,
    threads: run.threads,
    seed: run.seed,
    ...prefixed('split', run.split as unknown as Record<string, RunFact>),
    ...hyperparametersOf(run),
    codeVersion: run.codeVersion,
    repeats: run.repeats,
    search: run.searchId,
    trial: run.trial,
    rung: run.rung,
    validationRmse: run.validationRmse,
    ratings: run.snapshotRatings,
    latestRating: run.snapshotLatest?.toISOString() ?? null,
    ratingsChecksum: run.snapshotChecksum,
    trainRatings: run.trainRatings,
    testRatings: run.testRatings,
  };
}

function hyperparametersOf(run: TrainingRun): Record<string, RunFact> {
  const stored = storedHyperparameters(run.hyperparameters);
  // jsonb does not keep the order of keys.
  const names = Object.keys(HYPERPARAMETER_DOMAINS) as (keyof typeof stored)[];
  const { hiddenLayers } = stored;
  const values = names.map((name) => [name, stored[name] ?? null]);
  return { ...Object.fromEntries(values), hiddenLayers: hiddenLayers.join(',') || 'none' };
}

/** { a: 1 } → { 'prefix.a': 1 } */
function prefixed(prefix: string, facts: Record<string, RunFact>): Record<string, RunFact> {
  return Object.fromEntries(Object.entries(facts).map(([name, fact]) => [`${prefix}.${name}`, fact]));
}

/** SHA-256 over the tensors of each run's model; null where it has none. */
async function modelDigests(store: Store, runIds: readonly number[]): Promise<(string | null)[]> {
  // A digest of digests: the bytes of one model together may pass the 1 GiB that an aggregate can hold.
  const { rows } = await store.pool.query<{ run_id: number; digest: string }>(
    `select run_id, encode(sha256(string_agg(sha256(tensor.bytes), ''::bytea order by position, chunk)), 'hex') as digest
     from model_tensors as tensor
     join models on models.id = model_id
     where run_id = any($1::int[])
     group by run_id`,
    [runIds],
  );
  const byRun = new Map(rows.map((row) => [row.run_id, row.digest]));
  return runIds.map((runId) => byRun.get(runId) ?? null);
}
