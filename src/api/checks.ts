// Checks of arguments that GraphQL's types cannot express.

import { AppError } from '../errors.js';

/** @throws AppError BAD_INPUT */
export function checkUserId(userId: number): void {
  if (userId < 1)
    throw new AppError('BAD_INPUT', `userId is ${userId}: expected 1 or more`, { argumentPath: ['userId'] });
}
