// Searches for hyperparameters: started, cancelled and resumed by mutation, followed by query.

import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import { checkEngine } from '../../engines/open.js';
import { AppError, type ErrorCode } from '../../errors.js';
import { cancelSearch, createSearch, resumeSearch } from '../../store/searches.js';
import { findSearch, listSearches } from '../../store/searchRecord.js';
import { resolveSearchRequest } from '../../store/searchRequest.js';
import { formatChoice, type GivenDimension, parseChoice } from '../../store/searchSpace.js';
import { checkIdempotencyKey } from '../checks.js';
import type { Context } from '../context.js';
import { toKey } from '../ids.js';
import { type Connection, PageArgs, pageById } from '../paging.js';
import { toRunError, toSearch, toTrainingRun } from '../types/fromRows.js';
import { RunError } from '../types/runFigures.js';
import {
  CancelSearchInput,
  CancelSearchPayload,
  ResumeSearchInput,
  ResumeSearchPayload,
  Search,
  SearchConnection,
  SearchDimension,
  type SearchDimensionInput,
  SearchRung,
  StartSearchInput,
  StartSearchPayload,
} from '../types/searches.js';
import { TrainingRun, TrainingRunConnection } from '../types/training.js';
import { orUserErrors } from '../userErrors.js';

const START_REFUSALS = [
  'PRESET_UNKNOWN',
  'HYPERPARAMETER_INVALID',
  'SEARCH_INVALID',
  'ENGINE_UNKNOWN',
  'ENGINE_UNSUPPORTED',
  'BAD_INPUT',
] as const satisfies ErrorCode[];
const MOVE_REFUSALS = ['SEARCH_NOT_FOUND', 'SEARCH_ENDED', 'BAD_INPUT'] as const satisfies ErrorCode[];

@Resolver(() => Search)
export class SearchResolver {
  @Query(() => Search, { nullable: true, description: 'null when there is no such search.' })
  async search(
    @Arg('id', () => ID, { description: 'The id of a Search.' }) id: string,
    @Ctx() { store }: Context,
  ): Promise<Search | null> {
    const search = await findSearch(store, toKey('Search', id, 'id'));
    return search && toSearch(search);
  }

  @Query(() => SearchConnection, { description: 'Searches for hyperparameters, newest first.' })
  async searches(@Args() page: PageArgs, @Ctx() { store }: Context): Promise<Connection<Search>> {
    return pageById('searches', page, async (rows, from) =>
      (await listSearches(store, rows, from)).map(toSearch),
    );
  }

  @Mutation(() => StartSearchPayload, {
    description:
      'Draws trials from a space, and queues them for the workers; the winner is then trained on all training ratings and tested.',
  })
  startSearch(
    @Arg('input', () => StartSearchInput, { description: 'What to search, and how.' })
    input: StartSearchInput,
    @Ctx() { store, queue, codeVersion }: Context,
  ): Promise<StartSearchPayload> {
    return orUserErrors(START_REFUSALS, async () => {
      checkIdempotencyKey(input.idempotencyKey);
      const request = resolveSearchRequest({ ...input, space: toGivenSpace(input.space) }, codeVersion);
      for (const trial of request.trials) checkEngine(request.engine, trial);
      const { search, runs } = await createSearch(store, request);
      await queue.sendRuns(runs);
      return { search: toSearch(search) };
    });
  }

  @Mutation(() => CancelSearchPayload, {
    description: 'Ends a search with all its runs that wait or train; their last checkpoints are kept.',
  })
  cancelSearch(
    @Arg('input', () => CancelSearchInput, { description: 'Which search.' }) { searchId }: CancelSearchInput,
    @Ctx() { store }: Context,
  ): Promise<CancelSearchPayload> {
    return orUserErrors(MOVE_REFUSALS, async () => ({
      search: toSearch(await cancelSearch(store, toKey('Search', searchId, 'searchId'))),
    }));
  }

  @Mutation(() => ResumeSearchPayload, {
    description:
      'Goes on with a search that was cancelled or failed: those of its runs that were cancelled or failed wait again.',
  })
  resumeSearch(
    @Arg('input', () => ResumeSearchInput, { description: 'Which search.' }) { searchId }: ResumeSearchInput,
    @Ctx() { store, queue }: Context,
  ): Promise<ResumeSearchPayload> {
    return orUserErrors(MOVE_REFUSALS, async () => {
      const { search, runs } = await resumeSearch(store, toKey('Search', searchId, 'searchId'));
      await queue.sendRuns(runs);
      return { search: toSearch(search) };
    });
  }

  @FieldResolver(() => [SearchDimension], { description: 'What varies.' })
  space(@Root() { dimensions }: Search): SearchDimension[] {
    return Object.entries(dimensions).map(([name, dimension]) => ({
      ...{ name, min: null, max: null, scale: null, choices: null },
      ...('choices' in dimension ? { choices: dimension.choices.map(formatChoice) } : dimension),
    }));
  }

  @FieldResolver(() => [SearchRung], { description: 'How far it is, rung by rung.' })
  rungs(@Root() { key }: Search, @Ctx() { loaders }: Context): Promise<SearchRung[]> {
    return loaders.rungs.load(key);
  }

  @FieldResolver(() => TrainingRunConnection, {
    description:
      'The runs of its trials, in the order in which they were asked for: a trial has one in each rung that it reaches.',
  })
  async trials(
    @Args() page: PageArgs,
    @Root() { key }: Search,
    @Ctx() { loaders }: Context,
  ): Promise<Connection<TrainingRun>> {
    return pageById('trials', page, async (rows, from) => {
      const trials = await loaders.trials.load({
        ...{ parentId: key, order: 'TIME', first: rows },
        after: from === null ? null : [String(from)],
      });
      return trials.map(toTrainingRun);
    });
  }

  @FieldResolver(() => TrainingRun, {
    nullable: true,
    description:
      'The trial with the lowest error of the furthest rung that has one, so far; null before one has succeeded.',
  })
  async bestTrial(@Root() { key }: Search, @Ctx() { loaders }: Context): Promise<TrainingRun | null> {
    const run = await loaders.bestTrial.load(key);
    return run && toTrainingRun(run);
  }

  @FieldResolver(() => TrainingRun, {
    nullable: true,
    description:
      'The run of the winner: on all training ratings, with as many epochs as were best for it, and tested as any run; null before all trials have ended.',
  })
  async bestRun(@Root() { key }: Search, @Ctx() { loaders }: Context): Promise<TrainingRun | null> {
    const run = await loaders.winnersRun.load(key);
    return run && toTrainingRun(run);
  }

  @FieldResolver(() => RunError, {
    nullable: true,
    description: 'Why it ended without a winner; null unless it failed or was cancelled.',
  })
  error(@Root() search: Search): RunError | null {
    return toRunError(search);
  }
}

/** What a search adds to a run. */
@Resolver(() => TrainingRun)
export class TrialResolver {
  @FieldResolver(() => Search, {
    nullable: true,
    description: 'The search that it is a trial of, or trains the winner of; null for others.',
  })
  async search(@Root() { searchKey }: TrainingRun, @Ctx() { loaders }: Context): Promise<Search | null> {
    const search = searchKey === null ? null : await loaders.search.load(searchKey);
    return search && toSearch(search);
  }
}

/** @throws AppError SEARCH_INVALID */
function toGivenSpace(dimensions: readonly SearchDimensionInput[]): Record<string, GivenDimension> {
  const given = new Map<string, GivenDimension>();
  for (const { name, choices, ...range } of dimensions) {
    if (given.has(name))
      throw new AppError('SEARCH_INVALID', `the space names ${name} twice`, { argumentPath: ['space'] });
    given.set(name, { ...range, choices: choices?.map((choice) => parseChoice(name, choice)) });
  }
  return Object.fromEntries(given);
}
