// Parsers of numeric options for commander: a wrong value is wrong usage, told before anything starts.

import { InvalidArgumentError } from 'commander';

export function wholeNumber(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
  };
}

export function decimalNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('Expected a number.');
}

/** "1024,400,400" → [1024, 400, 400]; "none" → [] */
export function widths(min: number, max: number) {
  const toWidth = wholeNumber(min, max);
  return (text: string): number[] => (text === 'none' ? [] : text.split(',').map(toWidth));
}
