// The thread that times tfjs:wasm with the kernels that TensorFlow.js publishes. Answers with the median seconds of a step.

import { parentPort, workerData } from 'node:worker_threads';
import { tfjsWasmStockDoor } from '../../engines/open.js';
import { medianStep } from './baselines.js';
import { benchRatings } from './ratings.js';
import type { BenchSettings } from './settings.js';

const settings = workerData as BenchSettings;
const ratings = benchRatings(settings.shape, settings.trainedRatings);
parentPort!.postMessage(await medianStep(tfjsWasmStockDoor, settings, ratings));
