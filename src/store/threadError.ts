// Errors on their way between threads, as plain values: classes do not survive it.

import { AppError, type ErrorCode, messageOf } from '../errors.js';
import { explainDatabaseError } from './store.js';

export interface ThreadError {
  code: ErrorCode | 'INTERNAL';
  message: string;
  stack?: string;
}

export function toThreadError(thrown: unknown): ThreadError {
  const explained = explainDatabaseError(thrown);
  const code = explained instanceof AppError ? explained.code : 'INTERNAL';
  const stack = thrown instanceof Error ? thrown.stack : undefined;
  return { code, message: messageOf(explained), stack };
}

/** On the other side: something to throw. */
export function fromThreadError({ code, message, stack }: ThreadError): Error {
  if (code !== 'INTERNAL') return new AppError(code, message);
  const error = new Error(message);
  error.stack = stack;
  return error;
}
