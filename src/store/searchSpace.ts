// The space of a search: what may vary, and trials drawn from it. A draw is a hash of seed, attempt and name, so that the same seed
// gives the same trials, on any machine, and more trials begin with the same ones.

import { createHash } from 'node:crypto';
import { AppError } from '../errors.js';
import { expectation, HYPERPARAMETER_DOMAINS, resolveHyperparameters } from './hyperparameterChecks.js';
import { type Hyperparameters } from './hyperparameters.js';

export type SearchStrategy = 'RANDOM' | 'HALVING';
export type SearchScale = 'linear' | 'log';
type Name = keyof Hyperparameters;
type Value = Hyperparameters[Name];

/** As it is asked for. */
export interface GivenDimension {
  min?: number | null;
  max?: number | null;
  /** Of a range: equal shares for equal differences, or for equal ratios. */
  scale?: SearchScale | null;
  choices?: readonly unknown[] | null;
}

/** As it is stored. */
export type Dimension = { choices: Value[] } | { min: number; max: number; scale: SearchScale };
export type Space = Partial<Record<Name, Dimension>>;

/** Floats are drawn with so many digits, which people can read and all machines agree on. */
const DIGITS = 4;
/** Draws for each trial: some repeat earlier ones, some are no model. */
const ATTEMPTS = 100;
/** Never: they decide how trials are judged, or what the preset is. */
const FIXED: readonly Name[] = ['kind', 'validationFraction', 'patience'];
/** Of the kind bayes the rest means nothing. */
const BAYES: readonly Name[] = ['embeddingWidth', 'epochs', 'burnIn', 'sideInformation'];
/** Of the kind gradient these do. */
const BAYES_ONLY: readonly Name[] = ['burnIn', 'sideInformation'];
/** Of HALVING: what rungs are made of. */
const RUNG: readonly Name[] = ['epochs', 'burnIn'];

/** What may vary. */
export function searchableNames(kind: Hyperparameters['kind'], strategy: SearchStrategy): Name[] {
  return (Object.keys(HYPERPARAMETER_DOMAINS) as Name[]).filter(
    (name) =>
      !FIXED.includes(name) &&
      (kind === 'bayes' ? BAYES.includes(name) : !BAYES_ONLY.includes(name)) &&
      (strategy === 'RANDOM' || !RUNG.includes(name)),
  );
}

/** Of a stored search, in the order of the hyperparameters, which jsonb does not keep. */
export function storedSpace(stored: unknown): Space {
  const space = stored as Space;
  const names = (Object.keys(HYPERPARAMETER_DOMAINS) as Name[]).filter((name) => space[name]);
  return Object.fromEntries(names.map((name) => [name, space[name]]));
}

/** @throws AppError SEARCH_INVALID, with the name and what is allowed */
export function resolveSpace(given: Readonly<Record<string, GivenDimension>>, names: readonly Name[]): Space {
  const unknown = Object.keys(given).find((name) => !names.includes(name as Name));
  if (unknown !== undefined)
    throw invalidSpace(`cannot vary "${unknown}": expected one of ${names.join(', ')}`);
  if (Object.keys(given).length === 0)
    throw invalidSpace(`is empty: name at least one of ${names.join(', ')}`);
  // In the order of the list, whatever the order of the keys.
  const entries = names
    .filter((name) => given[name])
    .map((name) => [name, resolveDimension(name, given[name])]);
  return Object.fromEntries(entries);
}

function resolveDimension(name: Name, { min, max, scale, choices }: GivenDimension): Dimension {
  const hasRange = typeof min === 'number' && typeof max === 'number';
  if (Boolean(choices) === hasRange)
    throw invalidSpace(
      `gives ${name} neither choices nor a range, or both: expected choices, or min and max`,
    );
  if (choices) {
    if (choices.length === 0) throw invalidSpace(`gives ${name} no choices`);
    for (const choice of choices) checkValue(name, choice as Value);
    return { choices: choices as Value[] };
  }
  const domain = HYPERPARAMETER_DOMAINS[name];
  if (domain.kind !== 'number') throw invalidSpace(`gives ${name} a range: expected choices`);
  checkValue(name, min!);
  checkValue(name, max!);
  if (scale && scale !== 'linear' && scale !== 'log')
    throw invalidSpace(`gives ${name} the scale "${scale}": expected linear or log`);
  if (min! >= max!) throw invalidSpace(`gives ${name} the range ${min} to ${max}: expected min below max`);
  if (scale === 'log' && min! <= 0)
    throw invalidSpace(`gives ${name} a log range from ${min}: expected a min above 0`);
  return { min: min!, max: max!, scale: scale ?? 'linear' };
}

function checkValue(name: Name, value: Value): void {
  const domain = HYPERPARAMETER_DOMAINS[name];
  if ((domain.kind === 'widths') !== Array.isArray(value))
    throw invalidSpace(
      `gives ${name} the value ${JSON.stringify(value)}: expected ${domain.kind === 'widths' ? 'a list of widths' : 'a single one'}`,
    );
  for (const single of [value].flat()) {
    const expected = expectation(domain, single);
    if (expected)
      throw invalidSpace(`gives ${name} the value ${JSON.stringify(single)}: expected ${expected}`);
  }
}

/** A choice written as text, as people and GraphQL write it: "0.01", "adam", "true", "1024,400", "none". */
export function parseChoice(name: string, text: string): unknown {
  const domain = Object.hasOwn(HYPERPARAMETER_DOMAINS, name) ? HYPERPARAMETER_DOMAINS[name as Name] : null;
  switch (domain?.kind) {
    case 'number':
      return text.trim() === '' ? text : Number(text);
    case 'widths':
      return text === 'none' ? [] : text.split(',').map(Number);
    case 'flag':
      return text === 'true' ? true : text === 'false' ? false : text;
    default:
      return text;
  }
}

/** The same as text. */
export function formatChoice(value: Value): string {
  return Array.isArray(value) ? value.join(',') || 'none' : String(value);
}

/**
 * Trials that differ, as many as asked for, or as the space has.
 * @throws AppError HYPERPARAMETER_INVALID when no draw is a model
 */
export function drawTrials(
  space: Space,
  {
    preset,
    hyperparameters,
    seed,
    trials,
  }: {
    preset: string;
    /** What does not vary. */
    hyperparameters: Hyperparameters;
    seed: number;
    trials: number;
  },
): Hyperparameters[] {
  const drawn = new Map<string, Hyperparameters>();
  let refusal: unknown = null;
  for (let attempt = 0; attempt < trials * ATTEMPTS && drawn.size < trials; attempt++) {
    const draw = Object.fromEntries(
      Object.entries(space).map(([name, dimension]) => [
        name,
        valueAt(name as Name, dimension, uniform(`${seed} ${attempt} ${name}`)),
      ]),
    );
    try {
      const key = JSON.stringify(draw);
      if (!drawn.has(key)) drawn.set(key, resolveHyperparameters(preset, { ...hyperparameters, ...draw }));
    } catch (error) {
      refusal = error;
    }
  }
  if (drawn.size === 0) throw refusal;
  return [...drawn.values()];
}

/** share: 0 to below 1. */
function valueAt(name: Name, dimension: Dimension, share: number): Value {
  if ('choices' in dimension) return dimension.choices[Math.floor(share * dimension.choices.length)];
  const { min, max, scale } = dimension;
  const domain = HYPERPARAMETER_DOMAINS[name];
  // A whole number stands for half a unit on both sides of it.
  const margin = 'whole' in domain && domain.whole ? 0.5 : 0;
  const [low, high] = [min - margin, max + margin];
  const value = scale === 'log' ? low * (high / low) ** share : low + (high - low) * share;
  const rounded = margin > 0 ? Math.round(value) : Number(value.toPrecision(DIGITS));
  return Math.min(max, Math.max(min, rounded));
}

function uniform(text: string): number {
  return createHash('sha256').update(text).digest().readUIntBE(0, 6) / 2 ** 48;
}

function invalidSpace(what: string): AppError {
  return new AppError('SEARCH_INVALID', `the space ${what}`, { argumentPath: ['space'] });
}
