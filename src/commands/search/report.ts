// Searches and their trials as text for people: a table of many searches, the trials of one, best first.

import { storedHyperparameters } from '../../store/hyperparameters.js';
import type { Search, TrainingRun } from '../../store/prisma/client.js';
import type { RungStanding } from '../../store/searchRecord.js';
import { formatChoice, type Space } from '../../store/searchSpace.js';
import { columns, time } from '../runReport.js';

export interface ListedSearch {
  search: Search;
  rungs: readonly RungStanding[];
  best: TrainingRun | null;
  winnersRun: TrainingRun | null;
}

export function describeSearches(searches: readonly ListedSearch[]): string {
  const rows = searches.map(({ search, rungs, best, winnersRun }) => [
    String(search.id),
    search.status,
    search.strategy,
    search.preset,
    `${rungs.reduce((sum, rung) => sum + rung.succeeded + rung.failed, 0)}/${plannedTrials(rungs)}`,
    best?.validationRmse?.toFixed(4) ?? '–',
    winnersRun ? String(winnersRun.id) : '–',
    time(search.startedAt),
  ]);
  return columns([
    ['search', 'status', 'strategy', 'preset', 'trials', 'RMSE', 'run', 'started (UTC)'],
    ...rows,
  ]);
}

/** In all rungs. */
export function plannedTrials(rungs: readonly RungStanding[]): number {
  return rungs.reduce((sum, { trials }) => sum + trials, 0);
}

export function describeRungs(rungs: readonly RungStanding[]): string {
  const rows = rungs.map(({ rung, trials, epochs, queued, running, succeeded, failed }) =>
    [rung, trials, epochs ?? '–', succeeded, failed, running, queued].map(String),
  );
  return columns([['rung', 'trials', 'epochs', 'succeeded', 'failed', 'running', 'waiting'], ...rows]);
}

/** The furthest rung first, its best trial first; RMSE on the validation ratings. */
export function describeTrials(trials: readonly TrainingRun[], space: Space): string {
  const names = Object.keys(space);
  const rows = [...trials]
    .sort((a, b) => b.rung! - a.rung! || rmse(a) - rmse(b) || a.trial! - b.trial!)
    .map((run) => [
      ...[run.rung, run.trial, run.id, run.validationRmse?.toFixed(4) ?? run.errorCode ?? run.status].map(
        String,
      ),
      ...Object.values(variedOf(run, space)),
    ]);
  return columns([['rung', 'trial', 'run', 'RMSE', ...names], ...rows]);
}

export function describeTrial(run: TrainingRun, space: Space): string {
  const varied = Object.entries(variedOf(run, space)).map((entry) => entry.join(' '));
  const figure = run.validationRmse === null ? run.errorCode : `RMSE ${run.validationRmse.toFixed(4)}`;
  return `trial ${String(run.trial).padStart(3)}, rung ${run.rung}: ${figure}  ${varied.join(', ')}`;
}

/** What the trial has of what varies, as text. */
export function variedOf(run: TrainingRun, space: Space): Record<string, string> {
  const hyperparameters = storedHyperparameters(run.hyperparameters);
  const names = Object.keys(space) as (keyof Space)[];
  return Object.fromEntries(names.map((name) => [name, formatChoice(hyperparameters[name])]));
}

function rmse({ validationRmse }: TrainingRun): number {
  return validationRmse ?? Number.MAX_VALUE;
}
