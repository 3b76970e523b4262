// Training runs as text for people: a table of many, one in full, several side by side.

import { hintOf } from '../errors.js';
import type { EpochMetric, RunLog } from '../store/prisma/client.js';
import type { ComparedFact, RunFact } from '../store/runRecord.js';

/** Of more epochs than this the first and the last are shown. */
const SHOWN_EPOCHS = 20;
/** Long values are checksums, which their first digits tell apart. */
const VALUE_WIDTH = 28;

export interface ListedRun {
  id: number;
  queuedAt: Date;
  facts: Record<string, RunFact>;
}

export interface ShownRun extends ListedRun {
  startedAt: Date | null;
  finishedAt: Date | null;
  errorMessage: string | null;
  epochs: readonly EpochMetric[];
  log: readonly RunLog[];
}

export function describeRuns(runs: readonly ListedRun[]): string {
  const rows = runs.map(({ id, queuedAt, facts }) => [
    String(id),
    String(facts.status),
    String(facts.preset),
    String(facts.engine),
    String(facts.epochsDone),
    text(facts.rmse),
    text(facts.modelVersion),
    time(queuedAt),
  ]);
  return columns([['run', 'status', 'preset', 'engine', 'epochs', 'RMSE', 'model', 'queued (UTC)'], ...rows]);
}

export function describeRun({ id, facts, epochs, log, errorMessage, ...times }: ShownRun): string {
  const { queuedAt, startedAt, finishedAt } = times;
  const moments = { queued: queuedAt, started: startedAt, finished: finishedAt };
  const momentRows = Object.entries(moments).map(([name, moment]) => [name, moment ? time(moment) : '–']);
  const factRows = Object.entries(facts).map(([name, value]) => [name, text(value)]);
  const hint = typeof facts.errorCode === 'string' ? hintOf(facts.errorCode) : null;
  return [
    `training run ${id}`,
    columns([...momentRows, ...factRows]),
    ...(errorMessage === null ? [] : ['', `${facts.errorCode}: ${errorMessage}`, ...(hint ? [hint] : [])]),
    ...(epochs.length === 0 ? [] : ['', describeEpochs(epochs)]),
    ...(log.length === 0 ? [] : ['', ...log.map(describeLogLine)]),
  ].join('\n');
}

export function describeComparison(ids: readonly number[], facts: readonly ComparedFact[]): string {
  const rows = facts.map(({ name, values, same }) => [same ? '' : '*', name, ...values.map(short)]);
  return columns([['', 'run', ...ids.map(String)], ...rows]);
}

function describeEpochs(epochs: readonly EpochMetric[]): string {
  const isShown = (i: number) => epochs.length <= SHOWN_EPOCHS || i === 0 || i > epochs.length - SHOWN_EPOCHS;
  const isSampled = epochs.some(({ noise }) => noise !== null);
  const rows = epochs
    .filter((_, i) => isShown(i))
    .map((metric) => [
      String(metric.epoch),
      metric.trainLoss.toFixed(4),
      metric.validationLoss.toFixed(4),
      ...(isSampled ? [metric.noise?.toFixed(4) ?? '–'] : []),
      metric.seconds.toFixed(1),
      Math.round(metric.samplesPerSecond).toLocaleString('en-US'),
    ]);
  const noise = isSampled ? ['noise'] : [];
  return columns([['epoch', 'train loss', 'validation loss', ...noise, 'seconds', 'ratings/s'], ...rows]);
}

function describeLogLine({ loggedAt, level, message }: RunLog): string {
  return `${time(loggedAt)}  ${level.padEnd(5)}  ${message}`;
}

function short(value: RunFact): string {
  const whole = text(value);
  return whole.length > VALUE_WIDTH ? `${whole.slice(0, VALUE_WIDTH - 1)}…` : whole;
}

/** Figures with enough digits to compare by; settings and counts as they are. */
function text(value: RunFact): string {
  if (value === null) return '–';
  return typeof value === 'number' && !Number.isInteger(value)
    ? String(Number(value.toPrecision(6)))
    : String(value);
}

/** "2026-11-25 09:00:00" */
export function time(moment: Date): string {
  return moment.toISOString().slice(0, 19).replace('T', ' ');
}

/** Aligned; the first row has the titles. */
export function columns(rows: readonly string[][]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
