// Why a line of ratings was refused, in words. Apart from the parser, which only decides, and fast; slow and exact here.

import type { RatingScale } from '../store/scale.js';
import type { RatingsLayout } from './ratingsLayout.js';

export const INT32_MAX = 2 ** 31 - 1;
/** The last second of the year 9999. */
export const TIME_MAX = 253_402_300_799;

/** Why a line was refused. Only called for lines that were. */
export function explainLine(line: string, { separator, roles }: RatingsLayout, scale: RatingScale): string {
  if (line.trim() === '') return 'line is empty';
  const fields = line.split(separator);
  if (fields.length !== roles.length) return `expected ${roles.length} columns, found ${fields.length}`;
  for (const [column, role] of roles.entries()) {
    const reason = role && EXPLAIN[role](fields[column], scale);
    if (reason) return reason;
  }
  return `rating "${fields[roles.indexOf('rating')]}" has too many digits`;
}

const EXPLAIN = {
  user: (text: string) => explainId('userId', text),
  movie: (text: string) => explainId('movieId', text),
  rating: explainRating,
  time: explainTime,
} as const;

/** Why a field is no id; null where it is one. */
export function explainId(name: string, text: string): string | null {
  if (!/^\d+$/.test(text)) return `${name} "${text}" is not a whole number`;
  if (Number(text) < 1) return `${name} "${text}" is below 1`;
  return Number(text) > INT32_MAX ? `${name} "${text}" is above ${INT32_MAX}` : null;
}

function explainRating(text: string, { minimum, maximum }: RatingScale): string | null {
  if (!/^-?(\d+\.?\d*|\.\d+)$/.test(text)) return `rating "${text}" is not a decimal number`;
  if (Number(text) < minimum) return `rating "${text}" is below ${minimum}`;
  return Number(text) > maximum ? `rating "${text}" is above ${maximum}` : null;
}

function explainTime(text: string): string | null {
  if (/^\d*$/.test(text) && Number(text) <= TIME_MAX) return null;
  return `timestamp "${text}" is not a whole number of seconds from 0 to ${TIME_MAX}`;
}
