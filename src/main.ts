#!/usr/bin/env node
// argv → one command; the only place that ends the process. Exit codes: 0 done, 1 failed, 2 wrong usage.

import { CommanderError } from 'commander';
import { createProgram } from './commands/program.js';
import { readConfig, readVersion } from './config.js';
import { AppError } from './errors.js';

/** Wrong words on the command line or in the environment, found after parsing. */
const USAGE_CODES = new Set([
  'USAGE',
  'CONFIG_INVALID',
  'PRESET_UNKNOWN',
  'HYPERPARAMETER_INVALID',
  'SEARCH_INVALID',
  'ENGINE_UNKNOWN',
  'ENGINE_UNSUPPORTED',
]);

process.exit(await main());

async function main(): Promise<number> {
  try {
    const config = readConfig(asksForHelp() ? {} : process.env);
    const program = await createProgram(config, readVersion(), process.argv[2]);
    await program.parseAsync();
    return 0;
  } catch (error) {
    // Commander has printed what is wrong, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return fail(error);
  }
}

/** Help on the environment must not fail for a wrong environment. */
function asksForHelp(): boolean {
  return process.argv.slice(2).some((word) => ['-h', '--help', '-V', '--version'].includes(word));
}

function fail(error: unknown): number {
  if (!(error instanceof AppError)) {
    console.error(error);
    return 1;
  }
  console.error(`${error.code}: ${error.message}\n${error.hint}`);
  return USAGE_CODES.has(error.code) ? 2 : 1;
}
