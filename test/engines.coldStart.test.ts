// What a process does first: 100 cold starts give the same bits, V8 compiles the kernels well and is left as it was, and
// a process ends whether or not what it opened was closed.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { nativeDoor } from '#src/engines/native.js';
import { wasmDoor } from '#src/engines/wasm.js';
import { openEngines, runnableOf } from './support/engines.js';

const STARTS = 100;
/** Beside each other: on two cores two processes of two threads also disturb each other. */
const AT_ONCE = 2;

const runnable = runnableOf(await openEngines([nativeDoor, wasmDoor]));

async function nodeOutput(...command: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, command, { env: {}, timeout: 60_000 });
  return stdout.trim();
}

/** A digest of parameters and state, by a process of its own. */
function digestOf(engine: string, threads: number, ...more: string[]): Promise<string> {
  return nodeOutput('test/support/coldStart.mjs', engine, String(threads), ...more);
}

test.each(runnable)(
  `${STARTS} cold starts of $door.name with two threads give the bits of one thread`,
  async ({ door }) => {
    const digests: string[] = [];
    const startSome = async () => {
      for (let i = 0; i < STARTS / AT_ONCE; i++) digests.push(await digestOf(door.name, 2));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, startSome));
    expect(digests.length).toBe(STARTS);
    expect([...new Set(digests)]).toEqual([await digestOf(door.name, 1)]);
  },
  240_000,
);

test.each(runnable)(
  'a process that leaves a trainer of $door.name open ends all the same',
  async ({ door }) => {
    expect(await digestOf(door.name, 2, 'unclosed')).toMatch(/^[0-9a-f]{32}$/);
  },
);

test('V8 compiles all of the kernels with its optimizing compiler, and what comes after them as usual', async () => {
  const tiers = await nodeOutput('--allow-natives-syntax', 'test/support/tiers.mjs');
  expect(JSON.parse(tiers)).toEqual({ functions: 21, ofFirstTier: 0, othersOfFirstTier: 10 });
});
