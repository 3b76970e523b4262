// marquee search: looks for hyperparameters by training many models on part of the training ratings, and trains the best on all of them.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { checkEngine } from '../engines/open.js';
import { findModelsOfRuns } from '../store/evaluations.js';
import type { Search } from '../store/prisma/client.js';
import { cancelSearch, createSearch, getSearch, resumeSearch } from '../store/searches.js';
import {
  findBestTrials,
  findWinnersRuns,
  listSearches,
  rungsOfSearches,
  trialPages,
} from '../store/searchRecord.js';
import {
  DEFAULT_TRIALS,
  MAX_TRIALS,
  resolveSearchRequest,
  type SearchRequest,
} from '../store/searchRequest.js';
import { storedSpace } from '../store/searchSpace.js';
import type { Store } from '../store/store.js';
import { wholeNumber } from './numbers.js';
import type { Output } from './output.js';
import type { Io } from './program.js';
import { ALL_TRIALS, followSearch } from './search/follow.js';
import { describeRungs, describeSearches, describeTrials } from './search/report.js';
import { type GivenSpace, parseVary, readSpaceFile } from './search/space.js';
import { type Session, withStore } from './session.js';
import { showEvaluation } from './showEvaluation.js';
import { addRunOptions, type RunOptions, toRunArguments } from './train.js';

const LISTED_MAX = 100;
const STRATEGIES = { random: 'RANDOM', halving: 'HALVING' } as const;

const HELP = `
What varies is given by --vary, once for each, or by a JSON file:

  --vary learningRate=log:1e-4:1e-2     from a range, by ratio      { "learningRate": { "min": 1e-4, "max": 1e-2, "scale": "log" },
  --vary embeddingWidth=8:64            from a range                  "embeddingWidth": { "min": 8, "max": 64 },
  --vary hiddenLayers=1024/400,400/none one of these                  "hiddenLayers": [[1024], [400, 400], []] }

All other options are those of \`marquee train\`, for all trials. A trial is judged by its RMSE on a tenth of the training ratings
(--validation-fraction), which no trial trains on; the test ratings are for the winner alone. With --strategy halving all trials train
with few epochs first, and the best third of them anew with three times as many, up to all. The winner is then trained on all training
ratings, as many epochs as were best for it.

Trials are runs (\`marquee runs\`). This process trains them one after another, and workers on the same database help; with --watch it
leaves all of them to workers. Ctrl-C cancels the search (with --watch it only stops watching); \`marquee search resume\` goes on.`;

interface SearchOptions extends RunOptions {
  strategy: keyof typeof STRATEGIES;
  trials: number;
  vary?: GivenSpace;
  space?: string;
  promote?: boolean;
  watch?: boolean;
  json?: boolean;
}

export function addSearch(program: Command, io: Io): void {
  const search = addRunOptions(
    program.command('search').description('look for hyperparameters: train many models, keep the best'),
  )
    .addOption(
      new Option('--strategy <name>', 'all trials in full, or successive halving')
        .choices(Object.keys(STRATEGIES))
        .default('random'),
    )
    .option(
      '--trials <n>',
      `how many to draw, 1 to ${MAX_TRIALS}`,
      wholeNumber(1, MAX_TRIALS),
      DEFAULT_TRIALS,
    )
    .option('--vary <name=values>', 'what varies; may come several times', parseVary)
    .option('--space <file.json>', 'what varies, as JSON')
    .option('--promote', "make the winner's model the active one, unless it is worse")
    .option('--watch', 'leave the runs to workers')
    .option('--json', 'one line of JSON per event')
    .addHelpText('after', HELP)
    .action(async (options: SearchOptions) => {
      const request = toRequest(options, io.version);
      await withStore(io.config, async (session) => {
        const { search } = await createSearch(session.store, request);
        await followToEnd(session, search, io, options.watch === true, io.output(options));
      });
    });
  // Options of `search` itself may stand behind a command, too.
  const outputOf = () => io.output(search.opts<{ json?: boolean }>());
  const addSubcommand = (name: string, description: string) =>
    search.command(name).description(description).option('--json', 'one line of JSON per event');
  addSubcommand('list', 'the newest hundred').action(() =>
    withStore(io.config, ({ store }) => list(store, outputOf())),
  );
  addSubcommand('show', 'the trials of a search, best first')
    .argument('<search>', 'its number', searchId)
    .action((id: number) => withStore(io.config, ({ store }) => show(store, id, outputOf())));
  addSubcommand('cancel', 'end a search with all its runs that wait or train')
    .argument('<search>', 'its number', searchId)
    .action((id: number) => withStore(io.config, ({ store }) => cancel(store, id, outputOf())));
  addSubcommand('resume', 'go on, here, with a search that was cancelled, failed or left behind')
    .argument('<search>', 'its number', searchId)
    .action((id: number) =>
      withStore(io.config, async (session) => {
        const { search: resumed } = await resumeSearch(session.store, id);
        const watch = search.opts<SearchOptions>().watch === true;
        await followToEnd(session, resumed, io, watch, outputOf());
      }),
    );
}

function searchId(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected the number of a search; `marquee search list` lists them.');
}

/** @throws AppError SEARCH_INVALID and those of `marquee train` */
function toRequest(options: SearchOptions, codeVersion: string): SearchRequest {
  const { strategy, trials, promote, vary, space } = options;
  const given = { ...(space === undefined ? {} : readSpaceFile(space)), ...vary };
  const request = resolveSearchRequest(
    { ...toRunArguments(options), trials, promote, strategy: STRATEGIES[strategy], space: given },
    codeVersion,
  );
  for (const trial of request.trials) checkEngine(request.engine, trial);
  return request;
}

async function followToEnd(
  session: Session,
  { id, strategy, trials }: Search,
  { config: { threads } }: Io,
  watch: boolean,
  output: Output,
): Promise<void> {
  const { store } = session;
  output.event({ event: 'searching', searchId: id, strategy, trials }, `search ${id}: ${trials} trials`);
  const search = await followSearch(session, id, { threads, watch, output });
  if (!search) {
    output.event(
      { event: 'left', searchId: id },
      `search ${id} goes on; \`marquee search show ${id}\` tells how far`,
    );
    return;
  }
  await show(store, id, output);
  await showWinner(store, id, output);
}

/** Of a search that has succeeded. */
async function showWinner(store: Store, id: number, output: Output): Promise<void> {
  const [[run], [best]] = await Promise.all([findWinnersRuns(store, [id]), findBestTrials(store, [id])]);
  const [model] = await findModelsOfRuns(store, [run!.id]);
  await showEvaluation(store, run!.id, output);
  const { trial, validationRmse } = best!;
  const { note } = run!;
  const fate = model?.active
    ? 'active now'
    : (note ?? `\`marquee models promote ${model?.version}\` makes it active`);
  output.event(
    {
      event: 'searched',
      searchId: id,
      trial,
      validationRmse,
      runId: run!.id,
      modelVersion: model?.version,
      note,
    },
    `the winner is trial ${trial}; run ${run!.id} trained it on all training ratings: model ${model?.version}, ${fate}`,
  );
}

async function list(store: Store, output: Output): Promise<void> {
  const searches = await listSearches(store, LISTED_MAX, null);
  const ids = searches.map(({ id }) => id);
  const [rungs, bests, winners] = await Promise.all([
    rungsOfSearches(store, ids),
    findBestTrials(store, ids),
    findWinnersRuns(store, ids),
  ]);
  const rows = searches.map((search, i) => ({
    search,
    rungs: rungs[i],
    best: bests[i],
    winnersRun: winners[i],
  }));
  const facts = rows.map(({ search, rungs, best, winnersRun }) => ({
    ...{
      searchId: search.id,
      status: search.status,
      strategy: search.strategy,
      preset: search.preset,
      rungs,
    },
    ...{ validationRmse: best?.validationRmse ?? null, runId: winnersRun?.id ?? null },
  }));
  const text = rows.length === 0 ? 'no search yet: `marquee search` makes one' : describeSearches(rows);
  output.event({ event: 'searches', searches: facts }, text);
}

async function show(store: Store, id: number, output: Output): Promise<void> {
  const search = await getSearch(store, id);
  const [[rungs], [trials]] = await Promise.all([
    rungsOfSearches(store, [id]),
    trialPages(store, [id], ALL_TRIALS, null),
  ]);
  const { status, strategy, preset, space, errorMessage } = search;
  const error = errorMessage === null ? '' : `\n${search.errorCode}: ${errorMessage}`;
  const parts = [describeRungs(rungs), describeTrials(trials, storedSpace(space))];
  output.event(
    { event: 'search', searchId: id, status, strategy, preset, space, errorMessage, rungs },
    `search ${id}, ${strategy}, preset ${preset}: ${status}${error}\n\n${parts.join('\n\n')}`,
  );
}

async function cancel(store: Store, id: number, output: Output): Promise<void> {
  await cancelSearch(store, id);
  output.event(
    { event: 'cancelled', searchId: id },
    `search ${id} is cancelled; \`marquee search resume ${id}\` goes on`,
  );
}
