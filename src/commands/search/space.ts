// The space of a search as it is written on the command line (--vary) or in a file (--space). Whether it makes sense is told by
// store/searchSpace.ts, for the API alike.

import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import { AppError, messageOf } from '../../errors.js';
import { type GivenDimension, parseChoice, type SearchScale } from '../../store/searchSpace.js';

export type GivenSpace = Record<string, GivenDimension>;

const RANGE = /^(?:(log|linear):)?([^:/]+):([^:/]+)$/;

/** "learningRate=log:1e-4:1e-2", "embeddingWidth=8:64", "hiddenLayers=1024/400,400/none"; may come several times. */
export function parseVary(text: string, former: GivenSpace = {}): GivenSpace {
  const at = text.indexOf('=');
  const [name, values] = [text.slice(0, at), text.slice(at + 1)];
  if (at < 1 || values === '')
    throw new InvalidArgumentError(
      'Expected <name>=<min>:<max>, <name>=log:<min>:<max> or <name>=<a>/<b>/….',
    );
  const range = RANGE.exec(values);
  if (!range) {
    const choices = values.split('/').map((choice) => parseChoice(name, choice));
    return { ...former, [name]: { choices } };
  }
  const [min, max] = [Number(range[2]), Number(range[3])];
  if (Number.isNaN(min) || Number.isNaN(max))
    throw new InvalidArgumentError(`Expected two numbers in ${name}, not "${values}".`);
  return { ...former, [name]: { min, max, scale: (range[1] ?? 'linear') as SearchScale } };
}

/** A list stands for its choices. @throws AppError SEARCH_INVALID */
export function readSpaceFile(path: string): GivenSpace {
  const given = readJson(path);
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new AppError('SEARCH_INVALID', `${path} holds no object of hyperparameters`);
  const dimensions = Object.entries(given).map(([name, dimension]: [string, unknown]) => {
    if (Array.isArray(dimension)) return [name, { choices: dimension }];
    const strange = Object.keys(Object(dimension)).find(
      (key) => !['choices', 'min', 'max', 'scale'].includes(key),
    );
    if (typeof dimension !== 'object' || dimension === null || strange !== undefined)
      throw new AppError(
        'SEARCH_INVALID',
        `${path} gives ${name} ${strange === undefined ? JSON.stringify(dimension) : `the key "${strange}"`}: expected choices, or min, max and scale`,
      );
    return [name, dimension];
  });
  return Object.fromEntries(dimensions);
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new AppError('SEARCH_INVALID', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
