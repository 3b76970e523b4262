// Appends what a bench found to docs/benchmarks.md: table, raw figures, and all that is needed to judge and to repeat them.

import { execFileSync } from 'node:child_process';
import { appendFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type BenchFigures, markdownTable } from './report.js';
import type { BenchName, BenchSettings } from './settings.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
export const BENCHMARKS_FILE = fileURLToPath(new URL('../../../docs/benchmarks.md', import.meta.url));

export interface SavedBench {
  bench: BenchName;
  settings: BenchSettings;
  rows: readonly BenchFigures[];
  /** Lines on what was left out and why. */
  notes: readonly string[];
  /** The words after `marquee`. */
  commandLine: readonly string[];
  version: string;
}

export async function saveBench(file: string, saved: SavedBench): Promise<void> {
  const { bench, settings, rows, notes } = saved;
  const section = [
    '',
    `### ${bench}, ${settings.shapeName}, ${settings.presetName}: ${new Date().toISOString().slice(0, 10)}`,
    '',
    `${describeMachine()}; Marquee ${saved.version}, ${describeCommit()}.`,
    '',
    `\`marquee ${saved.commandLine.join(' ')}\``,
    '',
    markdownTable(bench, rows),
    ...notes.map((note) => `\n${note}`),
    '',
    '<details><summary>Raw figures</summary>',
    '',
    '```json',
    ...rows.map((row) => JSON.stringify(row)),
    '```',
    '',
    '</details>',
    '',
  ];
  await appendFile(file, section.join('\n'));
}

function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown CPU';
  return `${model}, ${availableParallelism()} cores; Node ${process.versions.node}, ${process.platform} ${process.arch}`;
}

/** Of the checkout, where it is one. */
function describeCommit(): string {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', ROOT, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no', '--', 'src', 'package-lock.json');
    return `commit ${git('rev-parse', '--short=12', 'HEAD')}${changed === '' ? '' : ' with changes'}`;
  } catch {
    return 'not a git checkout';
  }
}
