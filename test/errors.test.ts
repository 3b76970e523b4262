import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError, ERROR_CODES } from '#src/errors.js';

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && name !== 'errors.ts')
  .map((name) => readFileSync(join('src', name), 'utf8'))
  .join('\n');

test('an error carries its code, its message and the hint of its code', () => {
  const error = new AppError('IMPORT_BUSY', 'another import is running');
  expect(error.code).toBe('IMPORT_BUSY');
  expect(error.message).toBe('another import is running');
  expect(error.hint).toBe('Wait for it to end, then import again.');
});

test('every error code is used somewhere', () => {
  const unused = Object.keys(ERROR_CODES).filter((code) => !sources.includes(`'${code}'`));
  expect(unused).toEqual([]);
});

test('docs/errors.md documents exactly the error codes that exist', () => {
  const documented = [...readFileSync('docs/errors.md', 'utf8').matchAll(/^\| `([A-Z_]+)` \|/gm)].map(
    (match) => match[1],
  );
  expect(documented.sort()).toEqual(Object.keys(ERROR_CODES).sort());
});
