// Rows of the store → what the GraphQL types show, where the two differ.

import { hintOf } from '../../errors.js';
import { storedHyperparameters } from '../../store/hyperparameters.js';
import type * as prisma from '../../store/prisma/client.js';
import { storedSpace } from '../../store/searchSpace.js';
import { toNodeId } from '../ids.js';
import type { Import } from './imports.js';
import type { Model } from './models.js';
import type { RunError } from './runFigures.js';
import type { ScoringRun } from './scoring.js';
import type { Search } from './searches.js';
import type { TrainingRun } from './training.js';

export function toModel(row: prisma.Model): Model {
  return {
    ...row,
    id: toNodeId('Model', row.id),
    key: row.id,
    parameters: Number(row.parameters),
    bytes: Number(row.bytes),
    active: row.active === true,
  };
}

export function toTrainingRun(row: prisma.TrainingRun): TrainingRun {
  const progress = row.status === 'RUNNING' ? row.progress : null;
  const hyperparameters = storedHyperparameters(row.hyperparameters);
  return {
    ...row,
    ...{ hyperparameters, progress, id: toNodeId('TrainingRun', row.id), key: row.id },
    ...{ repeatedKey: row.repeats, searchKey: row.searchId },
  } as unknown as TrainingRun;
}

export function toSearch({ trials, space, ...row }: prisma.Search): Search {
  const hyperparameters = storedHyperparameters(row.hyperparameters);
  return {
    ...row,
    ...{
      hyperparameters,
      trialCount: trials,
      dimensions: storedSpace(space),
      id: toNodeId('Search', row.id),
      key: row.id,
    },
  } as unknown as Search;
}

export function toImport(row: prisma.Import): Import {
  return { ...row, id: toNodeId('Import', row.id), key: row.id };
}

export function toScoringRun(row: prisma.ScoringRun): ScoringRun {
  return { ...row, id: toNodeId('ScoringRun', row.id), key: row.id };
}

/** Why a run or a scoring ended without what it was for; null: it did not. */
export function toRunError({
  errorCode,
  errorMessage,
}: {
  errorCode: string | null;
  errorMessage: string | null;
}): RunError | null {
  return errorCode === null
    ? null
    : { code: errorCode, message: errorMessage ?? '', hint: hintOf(errorCode) };
}
