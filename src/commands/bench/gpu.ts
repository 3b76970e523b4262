// bench gpu: steps on a GPU, in batches of several sizes, beside the GPU's own floor, the host's share, and what others do on it.

import type { Engine, TrainingRatings } from '../../engines/engine.js';
import { type GpuHardware, measureGpu, nullGpuDoor, openEngine } from '../../engines/open.js';
import { AppError } from '../../errors.js';
import { bytesOfSample, flopsOfSample } from './cost.js';
import { PAPER_LOSS, type TimeToLoss, timeToLoss } from './loss.js';
import { measurePytorch, type PytorchFigures } from './pytorch.js';
import { type BenchSettings, OPTIMIZER } from './settings.js';
import { openBenchTrainer, timeSteps } from './step.js';
import { secondsOf, type Timing } from './timing.js';

/** The paper's first; larger ones give a GPU more to do at a time. */
const BATCH_SIZES = [OPTIMIZER.batchSize, 8192, 65_536];
/** Larger batches are not measured where a step of the first takes longer: on a software driver they would take minutes. */
const SLOW_STEP_SECONDS = 0.02;
/** A step of the peer takes a software driver seconds. */
const PEER_TIMING = { seconds: 2, repeats: 3 };
/** A step waits twice for a dispatch before it. */
const DISPATCHES_OF_STEP = 2;
/** Steps that are sent to a device that does nothing: an epoch's, at most. */
const HOST_STEPS = 4096;

interface GpuTimings {
  byBatchSize: { batchSize: number; timing: Timing }[];
  hardware: GpuHardware;
  hostSecondsPerStep: number;
  /** Null: it would take too long, or the model is not the paper's. */
  toPaperLoss: TimeToLoss | null;
  /** Seconds of a step of tfjs:webgpu; null: it cannot run here. */
  tfjs: number | null;
  pytorch: PytorchFigures | { skipped: string };
}

export async function timeGpu(
  engine: Engine,
  settings: BenchSettings,
  ratings: TrainingRatings,
): Promise<GpuTimings> {
  const hardware = await measureGpu();
  const byBatchSize: GpuTimings['byBatchSize'] = [];
  for (const batchSize of BATCH_SIZES) {
    if (batchSize > settings.trainedRatings && byBatchSize.length > 0) break;
    byBatchSize.push({ batchSize, timing: await timeSteps(engine, settings, ratings, settings, batchSize) });
    if (byBatchSize[0].timing.median > SLOW_STEP_SECONDS) break;
  }
  const secondsPerEpoch = byBatchSize[0].timing.median * settings.stepsPerEpoch;
  return {
    ...{ byBatchSize, hardware },
    hostSecondsPerStep: await timeHost(settings, ratings),
    toPaperLoss:
      settings.presetName === 'paper'
        ? await timeToLoss(engine, settings, secondsPerEpoch, PAPER_LOSS)
        : null,
    tfjs: await timePeer('tfjs:webgpu', settings, ratings),
    pytorch: await measurePytorch(settings),
  };
}

/** What a step costs the host: sent to a device that does nothing; the best of the repeats, since any other work only adds to it. */
async function timeHost(settings: BenchSettings, ratings: TrainingRatings): Promise<number> {
  const engine = await nullGpuDoor.open(settings);
  const trainer = await openBenchTrainer(engine, settings, ratings);
  const steps = Math.min(HOST_STEPS, settings.stepsPerEpoch);
  try {
    await trainer.train(0, 0, steps);
    const raw: number[] = [];
    for (let repeat = 0; repeat < settings.repeats; repeat++)
      raw.push(await secondsOf(() => trainer.train(0, 0, steps)));
    return Math.min(...raw) / steps;
  } finally {
    await trainer.close();
  }
}

/** Null: it cannot run here. */
async function timePeer(
  name: string,
  settings: BenchSettings,
  ratings: TrainingRatings,
): Promise<number | null> {
  const engine = await openEngine(name, settings).catch((error) => {
    if (error instanceof AppError && error.code === 'ENGINE_UNAVAILABLE') return null;
    throw error;
  });
  return engine && (await timeSteps(engine, settings, ratings, PEER_TIMING)).median;
}

export function gpuFigures(
  { byBatchSize, hardware, hostSecondsPerStep, toPaperLoss, tfjs, pytorch }: GpuTimings,
  settings: BenchSettings,
) {
  const { median, spread, raw } = byBatchSize[0].timing;
  const ofPytorch = 'skipped' in pytorch ? null : pytorch.secondsPerStep;
  return {
    ...batchFigures(byBatchSize[0], settings, hardware),
    spread,
    hostUsPerStep: hostSecondsPerStep * 1e6,
    secondsToPaperLoss: toPaperLoss?.isReached ? toPaperLoss.seconds : null,
    toPaperLoss,
    vsTfjsWebgpu: tfjs && tfjs / median,
    vsPytorch: ofPytorch && ofPytorch / median,
    peers: { tfjsWebgpu: tfjs && { usPerStep: tfjs * 1e6 }, pytorch },
    batches: byBatchSize.map((each) => batchFigures(each, settings, hardware)),
    rawUsPerStep: raw.map((seconds) => seconds * 1e6),
    hardware,
  };
}

function batchFigures(
  { batchSize, timing }: GpuTimings['byBatchSize'][number],
  { shape, trainedRatings }: BenchSettings,
  hardware: GpuHardware,
) {
  const stepsPerEpoch = Math.ceil(trainedRatings / batchSize);
  const rows = trainedRatings / stepsPerEpoch;
  const [flops, bytes] = [rows * flopsOfSample(shape), rows * bytesOfSample(shape)];
  const floor = floorSeconds(flops, bytes, hardware);
  return {
    ...{ batchSize, flopsPerStep: flops, bytesPerStep: bytes },
    utilisation: flops / timing.median / hardware.flopsPerSecond,
    usPerStep: timing.median * 1e6,
    secondsPerEpoch: timing.median * stepsPerEpoch,
    samplesPerSecond: rows / timing.median,
    floorUsPerStep: floor * 1e6,
    floorRatio: timing.median / floor,
  };
}

/** Arithmetic or memory, whichever takes longer, and the dispatches. */
function floorSeconds(flops: number, bytes: number, hardware: GpuHardware): number {
  const { flopsPerSecond, bytesPerSecond, dispatchSeconds } = hardware;
  return Math.max(flops / flopsPerSecond, bytes / bytesPerSecond) + DISPATCHES_OF_STEP * dispatchSeconds;
}
