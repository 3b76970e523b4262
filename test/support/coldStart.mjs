// A process that trains a small model once, and prints a digest of its parameters and optimizer state.
//
//   node test/support/coldStart.mjs <native|wasm> <threads>

import { createHash } from 'node:crypto';

const DIST = new URL('../../dist/engines/', import.meta.url);
const [name, threads] = process.argv.slice(2);
const { [`${name}Door`]: door } = await import(new URL(`${name}.js`, DIST));
const { initialParameters } = await import(new URL('init.js', DIST));
const { randomStream, randomUnit } = await import(new URL('random.js', DIST));

const shape = { users: 400, movies: 300, embeddingWidth: 10, hiddenLayers: [64] };
const optimizer = { learningRate: 0.05, momentum: 0.9, batchSize: 256 };
const STEPS = 12;

function drawn(stream, below) {
  const key = randomStream(1, stream);
  return Array.from({ length: STEPS * optimizer.batchSize }, (_, i) =>
    Math.floor(below * randomUnit(key, i)),
  );
}

const ratings = {
  userIndices: Int32Array.from(drawn(100, shape.users)),
  movieIndices: Int32Array.from(drawn(101, shape.movies)),
  targets: Float32Array.from(drawn(102, 9), (step) => step / 2 - 2),
};
const engine = await door.open({ threads: Number(threads) });
const trainer = await engine.openTrainer({
  ...{ shape, optimizer, ratings, seed: 5 },
  parameters: initialParameters(shape, 3),
});
for (let epoch = 0; epoch < 3; epoch++) await trainer.train(epoch, 0, STEPS);
const digest = createHash('md5');
const state = await trainer.state();
for (const { values } of [await trainer.parameters(), ...state.moments].flat()) digest.update(values);
console.log(digest.digest('hex'));
// Left open on purpose when asked: the process must end all the same.
if (process.argv[4] !== 'unclosed') await trainer.close();
