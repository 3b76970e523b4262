// The one error class for wrong input and a failed world, and the one table of its codes.
// A broken promise inside the code is an assertion (node:assert), absence is null; neither belongs here.

interface ErrorEntry {
  /** When it is thrown. */
  when: string;
  /** What to do next; shown after the message. */
  hint: string;
}

export const ERROR_CODES = {
  USAGE: { when: 'A command line or an option cannot be understood.', hint: 'Run the command with --help.' },
  CONFIG_INVALID: {
    when: 'An environment variable has a value out of range, or an unknown MARQUEE_* name.',
    hint: 'The names and ranges are listed by `marquee --help`.',
  },
  BAD_INPUT: {
    when: 'An argument of a GraphQL field is out of range.',
    hint: 'The description of the field in the schema says what it expects.',
  },
  BAD_CURSOR: {
    when: 'A paging cursor was not handed out for this list and order.',
    hint: 'Pass pageInfo.endCursor of the same list, with the same orderBy.',
  },
  DATABASE_UNREACHABLE: {
    when: 'PostgreSQL does not answer, takes no more connections, or went away.',
    hint: 'Check DATABASE_URL, or leave it unset to use the embedded server. Too many clients: raise its max_connections, or put a pooler before it.',
  },
  DATABASE_NOT_MIGRATED: {
    when: 'The database lacks migrations that this version needs.',
    hint: 'Run `marquee migrate`.',
  },
  MIGRATION_FAILED: {
    when: 'A migration stopped with an SQL error, now or earlier.',
    hint: 'Mend the cause, then mark it with `prisma migrate resolve` and run `marquee migrate` again.',
  },
  PARTITIONS_FAILED: {
    when: 'The table of ratings could not be divided: something of yours hangs on it, the disk is full, or it was stopped.',
    hint: 'Nothing was changed. Mend the cause named above, then run `marquee migrate --partitions` again.',
  },
  EMBEDDED_POSTGRES_FAILED: {
    when: 'The embedded PostgreSQL could not be installed, initialised or started.',
    hint: 'Mend the cause named above, set MARQUEE_HOME to a folder of yours, or DATABASE_URL to a server of your own.',
  },
  IMPORT_SOURCE_MISSING: {
    when: 'The path to import does not exist, cannot be read or holds no ratings file.',
    hint: 'Give a folder or a .zip with ratings.csv, ratings.dat or u.data in it, or a file of ratings.',
  },
  IMPORT_BAD_ARCHIVE: {
    when: 'A .zip or .gz cannot be read or an entry is damaged.',
    hint: 'Download or pack the archive again.',
  },
  IMPORT_BAD_HEADER: {
    when: 'The first line of a file does not have the expected columns.',
    hint: 'ratings.csv begins with userId,movieId,rating,timestamp; movies.csv with movieId,title,genres. Name others by --columns.',
  },
  IMPORT_BAD_ROW: {
    when: 'More lines were rejected than --max-rejects allows.',
    hint: 'Mend the lines, or raise --max-rejects.',
  },
  IMPORT_OTHER_SCALE: {
    when: 'The scale given with --scale does not hold that of the ratings in the store.',
    hint: 'Give one that does, or import into an empty database.',
  },
  IMPORT_BUSY: {
    when: 'Another import is running on the same database.',
    hint: 'Wait for it to end, then import again.',
  },
  IMPORT_INTERRUPTED: {
    when: 'An import was cancelled before it was complete.',
    hint: 'The store is as it was; import again.',
  },
  IMPORT_FAILED: {
    when: 'Reading or storing failed in the middle of an import.',
    hint: 'The store is as it was. Mend the cause named above, then import again.',
  },
  PAIRS_SOURCE_MISSING: {
    when: 'The file of pairs does not exist or cannot be read.',
    hint: 'Give a CSV that begins with the line userId,movieId, or such a one as .gz.',
  },
  PAIRS_BAD_HEADER: {
    when: 'The first line of a file of pairs does not name the columns userId and movieId.',
    hint: 'Begin the file with the line userId,movieId; other columns may stand beside them.',
  },
  EXPORT_FAILED: {
    when: 'An export could not be written, would replace what is there, or has nothing to write.',
    hint: 'Mend the cause named above, or write elsewhere; marquee export --force replaces an earlier export.',
  },
  SYNTH_FAILED: {
    when: 'A synthetic set could not be written, or would replace ratings that are there.',
    hint: 'Mend the cause named above, or write to another folder.',
  },
  PRESET_UNKNOWN: {
    when: 'A preset was named that does not exist.',
    hint: '`marquee train --help` lists the presets.',
  },
  HYPERPARAMETER_INVALID: {
    when: 'A hyperparameter is of the wrong type or out of range, or the model would have no part.',
    hint: '`marquee train --help` and the type HyperparametersInput give the ranges.',
  },
  ENGINE_UNKNOWN: { when: 'An engine was named that does not exist.', hint: '`marquee engines` lists them.' },
  ENGINE_UNSUPPORTED: {
    when: 'An engine was asked for by name that has no models of the shape asked for.',
    hint: 'Ask for an engine that has, or for auto, which takes the fastest that has.',
  },
  ENGINE_UNAVAILABLE: {
    when: 'An engine was asked for by name and cannot run here.',
    hint: '`marquee engines` gives the reason; --engine auto takes the fastest that is there.',
  },
  ENGINE_LOST: {
    when: 'The device of an engine went away in the middle of its work: a driver that stopped, or a GPU that was taken away.',
    hint: 'Start the run again, or go on from its last checkpoint on any engine, such as native or wasm.',
  },
  ENGINE_OUT_OF_MEMORY: {
    when: 'A model, its batches or its ratings do not fit into the memory of an engine.',
    hint: 'Take smaller batches or narrower embeddings, or the engine native, which has the memory of the machine.',
  },
  BENCH_WRONG_RESULT: {
    when: 'A bench found that an engine computes something else than the reference engine.',
    hint: 'Its figures would mean nothing: leave the engine out with --engine, and report it.',
  },
  RUN_NOT_FOUND: {
    when: 'No training run has this id.',
    hint: 'List the runs with `marquee runs` or the query trainingRuns.',
  },
  RUN_ENDED: {
    when: 'A run is in a state that does not allow this: only waiting and training runs can be cancelled, only failed and cancelled ones resumed.',
    hint: 'Look at its status; start a new run to train once more.',
  },
  RUN_NO_RATINGS: {
    when: 'A run was started on a store without ratings on both sides of the split.',
    hint: 'Import ratings, `marquee import <path>`; where there are some, hold out another share of them.',
  },
  RUN_NO_TIMES: {
    when: 'A run was to split the ratings by time, and some have none.',
    hint: 'Import ratings with times, or split at random: HASH, `--split random`.',
  },
  RUN_NOT_REPEATABLE: {
    when: 'A run was to be repeated that has never begun, so its record names no engine and no ratings.',
    hint: 'Start a new run with the same settings.',
  },
  RUN_OTHER_RATINGS: {
    when: 'A run that repeats an earlier one found other ratings in the store than that one was trained on.',
    hint: 'Restore those ratings, or start a new run with the same settings.',
  },
  RUN_PRUNED: {
    when: 'A figure was asked for that is counted from the test predictions of a run, and these were pruned with its model.',
    hint: 'The stored evaluation is still there, the confusion at the mean included; repeat the run for others.',
  },
  RUN_DIVERGED: {
    when: 'The loss of a run became infinite, not a number, or far larger than that of guessing the mean.',
    hint: 'Begin with the learning rate that the message names, or with another seed where it names none.',
  },
  RUN_CANCELLED: {
    when: 'A run was cancelled before it was complete.',
    hint: 'Resume it, or start it again, when you are ready.',
  },
  RUN_LOST: {
    when: 'The processes that trained a run stopped without a word, again and again.',
    hint: 'The logs of the workers may tell why; then resume the run.',
  },
  GPU_BUSY: {
    when: 'Another run trains on the GPU of the same machine, which it has to itself.',
    hint: 'Wait for that one to end, or train on another engine, such as native or wasm.',
  },
  SEARCH_INVALID: {
    when: 'A search was asked for with a space, a number of trials or a share of validation ratings that makes none.',
    hint: '`marquee search --help` and the type StartSearchInput tell what may vary and how it is written.',
  },
  SEARCH_NOT_FOUND: {
    when: 'No search has this id.',
    hint: 'List them with `marquee search list` or the query searches.',
  },
  SEARCH_ENDED: {
    when: 'A search has ended: it cannot be cancelled any more, or has found its winner and needs no resuming.',
    hint: 'Look at its status; start a new search to go on looking.',
  },
  SEARCH_FAILED: {
    when: 'No trial of a search succeeded.',
    hint: 'Look at the errors of its trials; lower the learning rates of the space where they diverged.',
  },
  MODEL_NOT_FOUND: {
    when: 'No model has this id or version.',
    hint: 'List the models with `marquee models list` or the query models.',
  },
  MODEL_WORSE: {
    when: 'A model was to be promoted that is worse than the active one on test ratings of both.',
    hint: 'Keep the active one, or say so: force: true, or `marquee models promote <version> --force`.',
  },
  MODEL_INCOMPARABLE: {
    when: 'A model was to be promoted that shares too few test ratings with the active one to tell which is better.',
    hint: 'Train it with the split of the active one, or say so: force: true, or `marquee models promote <version> --force`.',
  },
  MODEL_NO_FORMER: {
    when: 'There is nothing to roll back to: no other model was active before.',
    hint: 'List the models with `marquee models list` and promote one of them.',
  },
  NO_ACTIVE_MODEL: {
    when: 'A prediction was asked for before any model was promoted.',
    hint: 'Train one: `marquee train`, or the mutation startTrainingRun.',
  },
  SCORING_NOT_FOUND: {
    when: 'No batch scoring has this id.',
    hint: 'List them with the query scoringRuns.',
  },
  SCORING_INVALID: {
    when: 'A batch scoring was asked for with lists of an impossible length.',
    hint: 'Lists hold 1 to 1,000 movies.',
  },
  SCORING_BUSY: {
    when: 'Another batch scoring of the same model, with lists of another length, has not ended.',
    hint: 'Wait for it to end, take it up with the same `marquee score --top` where it was left behind, or cancel it with the mutation cancelBatchScoring.',
  },
  SCORING_ENDED: {
    when: 'A batch scoring was to be cancelled that has ended already.',
    hint: 'Its lists stay as they are; score again to replace them.',
  },
  SCORING_LOST: {
    when: 'A shard of a batch scoring was taken over by another worker, or no worker survived it.',
    hint: 'Start the scoring again; the log of the workers may tell why they ended.',
  },
  USER_NOT_FOUND: { when: 'No user has this userId.', hint: 'List them with the query users.' },
  MOVIE_NOT_FOUND: { when: 'No movie has this movieId.', hint: 'List them with the query movies.' },
  RATING_NOT_FOUND: {
    when: 'The user has not rated this movie.',
    hint: 'List their ratings with user { ratings }.',
  },
  RATING_OUT_OF_RANGE: {
    when: 'A rating is outside the scale of the data set.',
    hint: 'Ask for it with the query ratingScale; MovieLens has 0.5 to 5.',
  },
  MODEL_WITHOUT_UNCERTAINTY: {
    when: 'Recommendations are asked for by CAUTIOUS or EXPLORE, and the model was not trained to know how sure it is.',
    hint: 'Order by EXPECTED_RATING, or train and promote a model of the presets fast, accurate or maximum.',
  },
  QUERY_TOO_LARGE: {
    when: 'A query asks for more rows than one answer may hold, all nested pages multiplied.',
    hint: 'Ask for smaller pages or for fewer levels, and follow the cursors.',
  },
  LISTEN_FAILED: {
    when: 'The server cannot listen on this address and port.',
    hint: 'Give an address of this machine with --host or HOST, and a port above 1023 with --port or PORT.',
  },
  PORT_IN_USE: { when: 'Another program listens on the port.', hint: 'Give another with --port or PORT.' },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface AppErrorOptions extends ErrorOptions {
  /** The argument that it is about, such as ['split', 'testFraction']. */
  argumentPath?: readonly string[];
}

export class AppError extends Error {
  readonly code: ErrorCode;
  /** Not called `path`: graphql-js takes an error with one for located already. */
  readonly argumentPath: readonly string[];

  constructor(code: ErrorCode, message: string, { argumentPath = [], ...options }: AppErrorOptions = {}) {
    super(message, options);
    this.name = 'AppError';
    this.code = code;
    this.argumentPath = argumentPath;
  }

  get hint(): string {
    return ERROR_CODES[this.code].hint;
  }
}

/** The hint of a code that was stored as text; null when it is none of ours. */
export function hintOf(code: string): string | null {
  return Object.hasOwn(ERROR_CODES, code) ? ERROR_CODES[code as ErrorCode].hint : null;
}

/** The message of anything that was thrown, for a person to read. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
