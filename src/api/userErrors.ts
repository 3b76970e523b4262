// Refusals of mutations as data: an AppError of an expected code becomes a `userErrors` entry, anything else is thrown.

import { AppError, type ErrorCode } from '../errors.js';
import type { UserError } from './types/mutations.js';

/** fields: the codes that count as refusals, each with the argument that it is about. */
export async function orUserErrors<Payload extends { userErrors: UserError[] }>(
  fields: Partial<Record<ErrorCode, string[]>>,
  work: () => Promise<Omit<Payload, 'userErrors'>>,
): Promise<Payload> {
  try {
    return { ...(await work()), userErrors: [] } as unknown as Payload;
  } catch (error) {
    const field = error instanceof AppError ? fields[error.code] : undefined;
    if (!(error instanceof AppError) || !field) throw error;
    const userError = { field, message: `${error.message}. ${error.hint}`, code: error.code };
    return { userErrors: [userError] } as Payload;
  }
}
