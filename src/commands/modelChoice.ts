// The option --model <version>: which model a command is about.

import { InvalidArgumentError } from 'commander';
import { getActiveModel, getModelOfVersion } from '../store/models.js';
import type { Model } from '../store/prisma/client.js';
import type { Store } from '../store/store.js';

export const ACTIVE = 'active';
export type ModelChoice = number | typeof ACTIVE;

export function modelVersion(text: string): ModelChoice {
  if (text === ACTIVE) return ACTIVE;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError(`Expected a version or ${ACTIVE}.`);
  return Number(text);
}

/** @throws AppError MODEL_NOT_FOUND, NO_ACTIVE_MODEL */
export function modelOf(store: Store, choice: ModelChoice): Promise<Model> {
  return choice === ACTIVE ? getActiveModel(store) : getModelOfVersion(store, choice);
}
