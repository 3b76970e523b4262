// A process that is interrupted in the middle of an epoch of 700 steps; ends with 7 when all is well.
//
//   node --expose-gc test/support/interrupted.mjs <native|wasm> exits|collects|terminates

import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, Worker } from 'node:worker_threads';

const DIST = new URL('../../dist/engines/', import.meta.url);
const [engineName, interruption] = process.argv.slice(2);

const INTERRUPTIONS = {
  async exits() {
    const trainer = await openTrainer();
    void trainer.train(0, 0, 700);
    await sleep(20);
    process.exit(7);
  },
  // Nobody holds the trainer but its own call.
  async collects() {
    const call = (await openTrainer()).train(0, 0, 30);
    for (let i = 0; i < 20; i++) {
      gc();
      await sleep(5);
    }
    if ((await call).samples === 30 * 256) process.exitCode = 7;
  },
  async terminates() {
    const thread = new Worker(new URL(import.meta.url), { argv: [engineName, 'trains'] });
    await new Promise((resolve, reject) => thread.once('message', resolve).once('error', reject));
    await sleep(20);
    await thread.terminate();
    process.exitCode = 7;
  },
};

async function openTrainer() {
  const { [`${engineName}Door`]: door } = await import(new URL(`${engineName}.js`, DIST));
  const { initialParameters } = await import(new URL('init.js', DIST));
  const count = 700 * 256;
  const shape = { users: 1000, movies: 500, embeddingWidth: 64, hiddenLayers: [512] };
  const ratings = {
    userIndices: Int32Array.from({ length: count }, (_, i) => i % 1000),
    movieIndices: Int32Array.from({ length: count }, (_, i) => i % 499),
    targets: new Float32Array(count).fill(1),
  };
  const engine = await door.open({ threads: 2 });
  return engine.openTrainer({
    ...{ shape, ratings, seed: 1, parameters: initialParameters(shape, 1) },
    optimizer: { learningRate: 0.01, momentum: 0.9, batchSize: 256 },
  });
}

if (isMainThread) await INTERRUPTIONS[interruption]();
else {
  const { parentPort } = await import('node:worker_threads');
  const trainer = await openTrainer();
  const call = trainer.train(0, 0, 700);
  parentPort.postMessage('training');
  await call;
}
