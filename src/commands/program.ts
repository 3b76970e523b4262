// The command line: one program, one file for each command. Parsing only; what a command does is in its file.

import { Command } from 'commander';
import { type Config, ENVIRONMENT } from '../config.js';
import { addBench } from './bench.js';
import { addCv } from './cv.js';
import { addEngines } from './engines.js';
import { addExport } from './export.js';
import { addImport } from './import.js';
import { addMigrate } from './migrate.js';
import { addModels } from './models.js';
import { createOutput, type Output } from './output.js';
import { addQuickstart } from './quickstart.js';
import { addRuns } from './runs.js';
import { addScore } from './score.js';
import { addSearch } from './search.js';
import { addServe } from './serve.js';
import { addSynth } from './synth.js';
import { addTrain } from './train.js';
import { addWork } from './work.js';

/** What every command gets. */
export interface Io {
  config: Config;
  version: string;
  /** apart: stdout is for the answer itself; what is told goes to stderr, but for --json. */
  output(options: { json?: boolean; apart?: boolean }): Output;
}

export function createProgram(config: Config, version: string): Command {
  const io: Io = {
    ...{ config, version },
    output: ({ json = false, apart = false }) =>
      createOutput(json, apart && !json ? process.stderr : process.stdout),
  };
  const program = new Command('marquee')
    .description('Turns a table of movie ratings into a recommender that other programs query over GraphQL.')
    .version(version)
    .helpCommand(false)
    .showHelpAfterError('Run with --help for the options.')
    .addHelpText('after', helpOnEnvironment());
  for (const add of [
    addQuickstart,
    addMigrate,
    addImport,
    addTrain,
    addRuns,
    addSearch,
    addScore,
    addExport,
    addModels,
    addWork,
    addServe,
    addSynth,
    addEngines,
    addBench,
    addCv,
  ]) {
    add(program, io);
  }
  for (const command of allCommands(program)) command.exitOverride();
  return program;
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

function helpOnEnvironment(): string {
  const lines = ENVIRONMENT.map(
    ({ name, byDefault, meaning }) => `  ${name.padEnd(18)} ${meaning} (${byDefault})`,
  );
  return `\nEnvironment:\n${lines.join('\n')}\n\nExit codes: 0 done, 1 failed, 2 wrong usage.`;
}
