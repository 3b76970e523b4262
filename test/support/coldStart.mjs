// A process that trains a small model some times, each with threads of its own, and prints digests of parameters and optimizer state.
//
//   node test/support/coldStart.mjs <native|wasm> <threads> <times> [unclosed]

import { createHash } from 'node:crypto';

const DIST = new URL('../../dist/engines/', import.meta.url);
const [name, threads, times, unclosed] = process.argv.slice(2);
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
for (let time = 1; time <= Number(times); time++) {
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
  if (unclosed === undefined) await trainer.close();
}
