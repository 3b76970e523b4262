// The figures of a bench as a table: aligned for a terminal, in Markdown for docs/benchmarks.md. One row for each engine.

import type { BenchName } from './settings.js';

/** What a bench found about one engine, or one query: figures by the names of the --json line. */
export type BenchFigures = { engine: string; device: string; threads: number } & Record<string, unknown>;

interface Column {
  head: string;
  /** Name of the figure. */
  of: string;
  show?: (value: number) => string;
}

const TIMES = (value: number) => `${digits(value)} ×`;
const PERCENT = (value: number) => `${digits(value * 100)} %`;

const COLUMNS: Record<BenchName, Column[]> = {
  step: [
    { head: 'µs/step', of: 'usPerStep' },
    { head: 'spread', of: 'spread', show: PERCENT },
    { head: 's/epoch', of: 'secondsPerEpoch' },
    { head: 'samples/s', of: 'samplesPerSecond' },
    { head: 'GFLOP/s', of: 'gflops' },
    { head: 'over floor', of: 'floorRatio', show: TIMES },
    { head: 'over bandwidth', of: 'bandwidthRatio', show: TIMES },
    { head: 'vs tfjs:wasm', of: 'vsTfjsWasm', show: TIMES },
    { head: 'vs tuned', of: 'vsTunedTfjsWasm', show: TIMES },
  ],
  epoch: [
    { head: 's/epoch', of: 'seconds' },
    { head: 'spread', of: 'spread', show: PERCENT },
    { head: 'samples/s', of: 'samplesPerSecond' },
    { head: 'over floor', of: 'floorRatio', show: TIMES },
    { head: 'order alone, s', of: 'orderSeconds' },
    { head: 'share', of: 'orderShare', show: PERCENT },
  ],
  score: [
    { head: 'pairs/s', of: 'pairsPerSecond' },
    { head: 'over floor', of: 'floorRatio', show: TIMES },
    { head: 'ms/user', of: 'msPerUser' },
    { head: 'over streaming', of: 'kernelRatio', show: TIMES },
    { head: 'ms/user of 16', of: 'msPerUserInBlocks' },
    { head: 'top 10 p50 ms', of: 'p50Ms' },
    { head: 'p99 ms', of: 'p99Ms' },
  ],
  sweep: [
    { head: 's/sweep', of: 'secondsPerSweep' },
    { head: 'spread', of: 'spread', show: PERCENT },
    { head: 'ratings/s', of: 'ratingsPerSecond' },
    { head: 'GFLOP/s', of: 'gflops' },
    { head: 'over floor', of: 'floorRatio', show: TIMES },
    { head: 'rows, s', of: 'rowSeconds' },
    { head: 'rows over floor', of: 'rowFloorRatio', show: TIMES },
    { head: 'over bandwidth', of: 'bandwidthRatio', show: TIMES },
    { head: 'peak MiB', of: 'peakRssMiB' },
  ],
  import: [
    { head: 'rows', of: 'rows' },
    { head: 'seconds', of: 'seconds' },
    { head: 'baseline, s', of: 'baselineSeconds' },
    { head: 'ratio', of: 'ratio', show: TIMES },
    { head: 'peak MiB', of: 'peakRssMiB' },
    { head: 'merge of 1 %, s', of: 'mergeSeconds' },
    { head: 'of import', of: 'mergeShare', show: PERCENT },
    { head: 'over all users, s', of: 'spreadSeconds' },
    { head: 'of import', of: 'spreadShare', show: PERCENT },
  ],
  cursor: [
    { head: 'rows', of: 'rows' },
    { head: 'rows/s', of: 'rowsPerSecond' },
    { head: 'spread', of: 'spread', show: PERCENT },
    { head: 'vs binary COPY', of: 'vsBinaryCopy', show: TIMES },
    { head: 'vs row objects', of: 'vsPgCursor', show: TIMES },
    { head: 'peak MiB', of: 'peakRssMiB' },
    { head: 'arrays MiB', of: 'arraysMiB' },
  ],
  lists: [
    { head: 'users', of: 'users' },
    { head: 'seconds', of: 'seconds' },
    { head: 'pairs/s', of: 'pairsPerSecond' },
    { head: 'over floor', of: 'floorRatio', show: TIMES },
    { head: 'rows/s', of: 'rowsWrittenPerSecond' },
    { head: 'two workers', of: 'twoWorkersRatio', show: TIMES },
    { head: 'peak MiB', of: 'peakRssMiB' },
  ],
  serve: [
    { head: 'p50 ms', of: 'p50Ms' },
    { head: 'p95 ms', of: 'p95Ms' },
    { head: 'p99 ms', of: 'p99Ms' },
    { head: 'most, ms', of: 'maxMs' },
    { head: 'requests/s', of: 'requestsPerSecond' },
  ],
  gpu: [
    { head: 'µs/step', of: 'usPerStep' },
    { head: 'spread', of: 'spread', show: PERCENT },
    { head: 's/epoch', of: 'secondsPerEpoch' },
    { head: 'samples/s', of: 'samplesPerSecond' },
    { head: 'over floor', of: 'floorRatio', show: TIMES },
    { head: 'host µs/step', of: 'hostUsPerStep' },
    { head: 'to loss, s', of: 'secondsToPaperLoss' },
    { head: 'vs tfjs:webgpu', of: 'vsTfjsWebgpu', show: TIMES },
    { head: 'vs PyTorch', of: 'vsPytorch', show: TIMES },
  ],
};

/** What a row is about. */
interface Subject {
  head: string;
  width: number;
  of(figures: BenchFigures): string;
}

const ENGINE: Subject = { head: 'engine', width: 14, of: ({ engine }) => engine };
const QUERY: Subject = { head: 'query', width: 18, of: ({ query, state }) => `${query}, ${state}` };

function subjectOf(bench: BenchName): Subject {
  return bench === 'serve' ? QUERY : ENGINE;
}

export function headRow(bench: BenchName): string {
  const heads = COLUMNS[bench].map(({ head }) => head.padStart(widthOf(head)));
  const { head, width } = subjectOf(bench);
  return [head.padEnd(width), 'threads', ...heads].join('  ');
}

export function figuresRow(bench: BenchName, figures: BenchFigures): string {
  const cells = COLUMNS[bench].map((column) => cellOf(column, figures).padStart(widthOf(column.head)));
  const { of, width } = subjectOf(bench);
  return [of(figures).padEnd(width), String(figures.threads).padStart('threads'.length), ...cells].join('  ');
}

export function markdownTable(bench: BenchName, rows: readonly BenchFigures[]): string {
  const columns = COLUMNS[bench];
  const subject = subjectOf(bench);
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [
    line([subject.head, 'device', 'threads', ...columns.map(({ head }) => head)]),
    `|---|---|${'--:|'.repeat(columns.length + 1)}`,
    ...rows.map((figures) =>
      line([
        ...[subject.of(figures), figures.device, String(figures.threads)],
        ...columns.map((column) => cellOf(column, figures)),
      ]),
    ),
  ].join('\n');
}

function widthOf(head: string): number {
  return Math.max(head.length, 9);
}

function cellOf({ of, show = digits }: Column, figures: BenchFigures): string {
  const value = figures[of];
  return typeof value === 'number' ? show(value) : '–';
}

/** Three digits that count: 0.00123, 4.57, 1,230,000. */
export function digits(value: number): string {
  return value.toLocaleString('en-US', { maximumSignificantDigits: 3 });
}
