// What a process does first: 25 cold starts give the same bits, V8 compiles the kernels well and is left as it was, and
// a process ends whether or not what it opened was closed.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { nativeDoor } from '#src/engines/native.js';
import { wasmDoor } from '#src/engines/wasm.js';
import { openEngines, runnableOf } from './support/engines.js';

/** A prototype in V8's first tier was wrong in 14 of 20 (engines/wasm.ts). */
const STARTS = 25;
/** In each process, each time with new threads. */
const TIMES = 2;
/** Beside each other: on two cores two processes of two threads also disturb each other. */
const AT_ONCE = 2;

const runnable = runnableOf(await openEngines([nativeDoor, wasmDoor]));

async function nodeOutput(...command: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, command, { env: {}, timeout: 60_000 });
  return stdout.trim();
}

/** Digests of parameters and state of each training, by a process of its own. */
async function digestsOf(engine: string, threads: number, times: number, ...more: string[]) {
  const command = ['test/support/coldStart.mjs', engine, String(threads), String(times), ...more];
  return (await nodeOutput(...command)).split('\n');
}

test.each(runnable)(
  `${STARTS} cold starts of $door.name with two threads, of ${TIMES} trainings each, give the bits of one thread`,
  async ({ door }) => {
    const digests: string[] = [];
    let starts = 0;
    const startSome = async () => {
      while (starts++ < STARTS) digests.push(...(await digestsOf(door.name, 2, TIMES)));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, startSome));
    expect(digests.length).toBe(STARTS * TIMES);
    expect([...new Set(digests)]).toEqual(await digestsOf(door.name, 1, 1));
  },
  240_000,
);

test.each(runnable)(
  'a process that leaves a trainer of $door.name open ends all the same',
  async ({ door }) => {
    expect(await digestsOf(door.name, 2, 1, 'unclosed')).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/)]);
  },
);

test('V8 compiles all of the kernels with its optimizing compiler, and what comes after them as usual', async () => {
  const tiers = await nodeOutput('--allow-natives-syntax', 'test/support/tiers.mjs');
  expect(JSON.parse(tiers)).toEqual({ functions: 21, ofFirstTier: 0, othersOfFirstTier: 10 });
});
