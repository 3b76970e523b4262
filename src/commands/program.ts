// The command line: one program, one file for each command. Parsing only; what a command does is in its file, which is loaded
// when the command is asked for.

import { Command } from 'commander';
import { type Config, ENVIRONMENT } from '../config.js';
import { createOutput, type Output } from './output.js';

/** What every command gets. */
export interface Io {
  config: Config;
  version: string;
  /** apart: stdout is for the answer itself; what is told goes to stderr, but for --json. */
  output(options: { json?: boolean; apart?: boolean }): Output;
}

/** In the order of the help. */
const COMMANDS: Record<string, () => Promise<(program: Command, io: Io) => void>> = {
  quickstart: async () => (await import('./quickstart.js')).addQuickstart,
  migrate: async () => (await import('./migrate.js')).addMigrate,
  import: async () => (await import('./import.js')).addImport,
  train: async () => (await import('./train.js')).addTrain,
  runs: async () => (await import('./runs.js')).addRuns,
  search: async () => (await import('./search.js')).addSearch,
  score: async () => (await import('./score.js')).addScore,
  export: async () => (await import('./export.js')).addExport,
  models: async () => (await import('./models.js')).addModels,
  work: async () => (await import('./work.js')).addWork,
  serve: async () => (await import('./serve.js')).addServe,
  synth: async () => (await import('./synth.js')).addSynth,
  engines: async () => (await import('./engines.js')).addEngines,
  bench: async () => (await import('./bench.js')).addBench,
  cv: async () => (await import('./cv.js')).addCv,
};

/** With the command of this name, or with all where there is none. */
export async function createProgram(config: Config, version: string, name?: string): Promise<Command> {
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
  const wanted =
    name !== undefined && Object.hasOwn(COMMANDS, name) ? [COMMANDS[name]] : Object.values(COMMANDS);
  for (const load of wanted) (await load())(program, io);
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
