// Checks of arguments that GraphQL's types cannot express.

import { AppError } from '../errors.js';
import { RANKING_LENGTHS } from '../store/rankings.js';

const KEY_MAX = 200;

/** @throws AppError BAD_INPUT */
export function checkUserId(userId: number): void {
  if (userId < 1)
    throw new AppError('BAD_INPUT', `userId is ${userId}: expected 1 or more`, { argumentPath: ['userId'] });
}

/** An index holds the keys, and its entries have a bound. @throws AppError BAD_INPUT */
export function checkIdempotencyKey(key: string | null | undefined): void {
  if (!key || key.length <= KEY_MAX) return;
  throw new AppError(
    'BAD_INPUT',
    `idempotencyKey has ${key.length} characters: expected at most ${KEY_MAX}`,
    {
      argumentPath: ['idempotencyKey'],
    },
  );
}

/** @throws AppError BAD_INPUT */
export function checkRankingLength(k: number): void {
  if (RANKING_LENGTHS.includes(k)) return;
  throw new AppError('BAD_INPUT', `k is ${k}: expected one of ${RANKING_LENGTHS.join(', ')}`, {
    argumentPath: ['k'],
  });
}
