// Refusals of mutations as data: an AppError of an expected code becomes a `userErrors` entry, anything else is thrown.

import { AppError, type ErrorCode } from '../errors.js';
import type { UserError } from './types/payload.js';

/** refusals: the codes that a client can mend. The error's argumentPath begins within `input`. */
export async function orUserErrors<Payload extends { userErrors: UserError[] }>(
  refusals: readonly ErrorCode[],
  work: () => Promise<Omit<Payload, 'userErrors'>>,
): Promise<Payload> {
  try {
    return { ...(await work()), userErrors: [] } as unknown as Payload;
  } catch (error) {
    if (!(error instanceof AppError) || !refusals.includes(error.code)) throw error;
    const userError = {
      field: ['input', ...error.argumentPath],
      message: `${error.message}. ${error.hint}`,
      code: error.code,
    };
    return { userErrors: [userError] } as Payload;
  }
}
