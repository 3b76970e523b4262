// The flow of a bench: which engines, verify each, time it, tell its figures. One after the other, so that none disturbs another.

import type { Engine, EngineDoor, TrainingRatings } from '../../engines/engine.js';
import { AUTO_ENGINE, checkEngine, ENGINE_DOORS } from '../../engines/open.js';
import { AppError } from '../../errors.js';
import { measureBaselines } from './baselines.js';
import { type Hardware, openHardware } from './cost.js';
import { epochFigures, MAX_EPOCH_SECONDS, timeEpochs, timeOrder } from './epoch.js';
import { gpuFigures, timeGpu } from './gpu.js';
import { benchRatings } from './ratings.js';
import { type BenchFigures, digits } from './report.js';
import { scoreFigures, timeScoring } from './score.js';
import { type BenchSettings, type EngineBenchName, SHAPES } from './settings.js';
import { stepFigures, timeSteps } from './step.js';
import { sweepFigures, timeSweeps, verifySweeps } from './sweep.js';
import { verifyScoring, verifyTraining } from './verify.js';

/** Measured where no engine is named; the others are there for what these cannot do. */
const DEFAULT_ENGINES: Record<EngineBenchName, readonly string[]> = {
  step: ['native', 'wasm', 'tfjs:wasm'],
  epoch: ['native', 'wasm', 'tfjs:wasm'],
  score: ['native', 'wasm', 'tfjs:wasm'],
  sweep: ['native', 'wasm'],
  gpu: ['webgpu'],
};

export interface BenchListener {
  onFigures(figures: BenchFigures): void;
  onSkipped(engine: string, reason: string): void;
}

type Measured = Record<string, unknown> | { skipped: string };
/** Times one engine that is verified already. */
type Measure = (engine: Engine) => Promise<Measured>;

interface Bench {
  verify(engine: Engine, settings: BenchSettings): Promise<void>;
  /** What all engines share is made here, once. */
  prepare(settings: BenchSettings, hardwareOf: HardwareOf): Promise<Measure>;
}

type HardwareOf = (threads: number) => Promise<Hardware | null>;

const verifyTrainer: Bench['verify'] = (engine, { presetName }) => verifyTraining(engine, presetName);

const BENCHES = {
  step: {
    verify: verifyTrainer,
    async prepare(settings, hardwareOf) {
      const ratings = ratingsOf(settings);
      const baselines = await measureBaselines(settings, ratings);
      return async (engine) => {
        const timing = await timeSteps(engine, settings, ratings, settings);
        return stepFigures(timing, settings, await hardwareOf(engine.threads), baselines);
      };
    },
  },
  epoch: {
    verify: verifyTrainer,
    async prepare(settings, hardwareOf) {
      const ratings = ratingsOf(settings);
      const orderSeconds = await timeOrder(settings);
      return async (engine) => {
        const timing = await timeEpochs(engine, settings, ratings);
        if ('tooLong' in timing) return { skipped: describeTooLong(timing.tooLong) };
        return epochFigures(timing, settings, await hardwareOf(engine.threads), orderSeconds);
      };
    },
  },
  score: {
    verify: (engine, { presetName }) => verifyScoring(engine, presetName),
    prepare: async (settings, hardwareOf) => async (engine) =>
      scoreFigures(await timeScoring(engine, settings), settings, await hardwareOf(engine.threads)),
  },
  gpu: {
    verify: verifyTrainer,
    prepare: async (settings) => {
      const ratings = ratingsOf(settings);
      return async (engine) => gpuFigures(await timeGpu(engine, settings, ratings), settings);
    },
  },
  sweep: {
    verify: verifySweeps,
    async prepare(settings, hardwareOf) {
      const ratings = ratingsOf(settings);
      return async (engine) => {
        const timing = await timeSweeps(engine, settings, ratings);
        if (!timing) return { skipped: 'it has no sweeps' };
        return sweepFigures(timing, settings, await hardwareOf(engine.threads));
      };
    },
  },
} as const satisfies Record<EngineBenchName, Bench>;

/**
 * Measures the engine of that name, or every default engine that can run here.
 * @throws AppError ENGINE_UNKNOWN, ENGINE_UNAVAILABLE for an engine that was named; BENCH_WRONG_RESULT
 */
export async function runBench(
  name: EngineBenchName,
  settings: BenchSettings,
  engineName: string | null,
  listener: BenchListener,
  doors: readonly EngineDoor[] = ENGINE_DOORS,
): Promise<void> {
  const wanted = engineName === null ? DEFAULT_ENGINES[name] : [engineName];
  const engines = await openEngines(settings, engineName, wanted, doors, listener);
  const { verify, prepare }: Bench = BENCHES[name];
  for (const engine of engines) await verify(engine, settings);
  const measure = await prepare(settings, openHardware());
  for (const engine of engines) {
    const measured = await measure(engine);
    if (isSkipped(measured)) listener.onSkipped(engine.name, measured.skipped);
    else listener.onFigures({ ...aboutEngine(engine), ...aboutWork(settings), ...measured });
  }
}

async function openEngines(
  settings: BenchSettings,
  engineName: string | null,
  wanted: readonly string[],
  doors: readonly EngineDoor[],
  { onSkipped }: BenchListener,
): Promise<Engine[]> {
  if (engineName !== null) checkEngine(engineName, settings.shape, doors);
  const engines: Engine[] = [];
  const absent: { name: string; reason: string }[] = [];
  for (const door of doors.filter(({ name }) => engineName === AUTO_ENGINE || wanted.includes(name))) {
    const reason = door.refusalOf(settings.shape) ?? (await door.probe(settings)).reason;
    if (reason === null) engines.push(await door.open(settings));
    else absent.push({ name: door.name, reason });
    if (engineName === AUTO_ENGINE && engines.length > 0) break;
  }
  if (engineName !== null && engines.length === 0) {
    const reasons = absent.map(({ name, reason }) => `engine ${name} cannot run here: ${reason}`);
    throw new AppError('ENGINE_UNAVAILABLE', reasons.join('; '));
  }
  for (const { name, reason } of absent) onSkipped(name, reason);
  return engines;
}

function aboutEngine({ name, device, threads }: Engine) {
  return { engine: name, device, threads };
}

function aboutWork({ shapeName, presetName, repeats }: BenchSettings) {
  const { users, movies, ratings } = SHAPES[shapeName];
  return { shape: shapeName, preset: presetName, users, movies, ratings, repeats };
}

function ratingsOf({ shape, trainedRatings }: BenchSettings): TrainingRatings {
  return benchRatings(shape, trainedRatings);
}

function describeTooLong(seconds: number): string {
  return `an epoch would take about ${digits(seconds)} s, which is above ${MAX_EPOCH_SECONDS} s: not measured`;
}

function isSkipped(measured: Measured): measured is { skipped: string } {
  return 'skipped' in measured;
}
