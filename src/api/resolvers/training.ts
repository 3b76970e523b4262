// Training runs, models, engines: root fields and relations.

import { Arg, Args, Ctx, FieldResolver, ID, Int, Query, Resolver, Root } from 'type-graphql';
import { listEngines } from '../../engines/open.js';
import { AppError } from '../../errors.js';
import { keptEpoch } from '../../store/hyperparameters.js';
import { listModels } from '../../store/models.js';
import { RunStatus } from '../../store/prisma/client.js';
import { compareRuns } from '../../store/runRecord.js';
import { findRun, listRuns } from '../../store/runs.js';
import type { Context } from '../context.js';
import { toKey } from '../ids.js';
import {
  type Connection,
  checkFirst,
  decodeIdCursor,
  encodeCursor,
  PageArgs,
  pageById,
  toConnection,
} from '../paging.js';
import { Evaluation } from '../types/evaluation.js';
import { toModel, toRunError, toTrainingRun } from '../types/fromRows.js';
import { Engine, Model, ModelConnection } from '../types/models.js';
import { ComparedFact, EpochMetric, PhaseTiming, RunError, type RunLog } from '../types/runFigures.js';
import { RunLogConnection, TrainingRun, TrainingRunConnection } from '../types/training.js';

/** So many runs are compared at most. */
const COMPARED_MAX = 20;

@Resolver(() => TrainingRun)
export class TrainingRunResolver {
  @Query(() => TrainingRun, { nullable: true, description: 'null when there is no such run.' })
  async trainingRun(
    @Arg('id', () => ID, { description: 'The id of a TrainingRun.' }) id: string,
    @Ctx() { store }: Context,
  ): Promise<TrainingRun | null> {
    const run = await findRun(store, toKey('TrainingRun', id, 'id'));
    return run && toTrainingRun(run);
  }

  @Query(() => TrainingRunConnection, { description: 'Training runs, newest first.' })
  async trainingRuns(
    @Args() page: PageArgs,
    @Arg('status', () => [RunStatus], {
      nullable: true,
      description: 'Only runs in one of these states; all if absent or empty.',
    })
    status: RunStatus[] | null,
    @Ctx() { store }: Context,
  ): Promise<Connection<TrainingRun>> {
    return pageById('trainingRuns', page, async (rows, from) =>
      (await listRuns(store, rows, from, status ?? [])).map(toTrainingRun),
    );
  }

  @Query(() => [ComparedFact], {
    description: 'Settings, ratings and results of runs side by side: what differs, and what came of it.',
  })
  async compareTrainingRuns(
    @Arg('ids', () => [ID], { description: 'The ids of 2 to 20 TrainingRuns.' }) ids: string[],
    @Ctx() { store }: Context,
  ): Promise<ComparedFact[]> {
    if (ids.length < 2 || ids.length > COMPARED_MAX)
      throw new AppError('BAD_INPUT', `ids has ${ids.length} entries: expected 2 to ${COMPARED_MAX}`);
    const keys = ids.map((id) => toKey('TrainingRun', id, 'ids'));
    const facts = await compareRuns(store, keys);
    return facts.map(({ values, ...fact }) => ({
      ...fact,
      values: values.map((value) => (value === null ? null : String(value))),
    }));
  }

  @FieldResolver(() => RunLogConnection, { description: 'What it told while it trained, oldest first.' })
  async logs(
    @Args() { first, after }: PageArgs,
    @Root() { key }: TrainingRun,
    @Ctx() { loaders }: Context,
  ): Promise<Connection<RunLog>> {
    checkFirst(first);
    const from = decodeIdCursor('runLogs', after);
    const rows = (await loaders.runLogs.load({
      ...{ parentId: key, order: 'TIME', first: first + 1 },
      after: from === null ? null : [String(from)],
    })) as RunLog[];
    return toConnection(rows, first, after, ({ id }) => encodeCursor('runLogs', [id]));
  }

  @FieldResolver(() => [PhaseTiming], {
    description: 'How long its phases took; empty until it has succeeded.',
  })
  timings(@Root() { timings }: TrainingRun): PhaseTiming[] {
    return Object.entries(timings ?? {}).map(([phase, seconds]) => ({ phase, seconds }));
  }

  @FieldResolver(() => TrainingRun, {
    nullable: true,
    description: 'The run that it repeats from its record; null for others.',
  })
  async repeats(
    @Root() { repeatedKey }: TrainingRun,
    @Ctx() { loaders }: Context,
  ): Promise<TrainingRun | null> {
    const run = repeatedKey === null ? null : await loaders.run.load(repeatedKey);
    return run && toTrainingRun(run);
  }

  @FieldResolver(() => Int, {
    nullable: true,
    description:
      'The epoch whose parameters it keeps: the one with the lowest validation loss so far where validationFraction is above 0, else the last; null before the first has ended.',
  })
  async keptEpoch(
    @Root() { key, hyperparameters }: TrainingRun,
    @Ctx() { loaders }: Context,
  ): Promise<number | null> {
    return keptEpoch(hyperparameters, await loaders.epochs.load(key));
  }

  @FieldResolver(() => [EpochMetric], { description: 'Figures of the epochs that are done, in order.' })
  epochs(@Root() run: TrainingRun, @Ctx() { loaders }: Context): Promise<EpochMetric[]> {
    return loaders.epochs.load(run.key);
  }

  @FieldResolver(() => Evaluation, {
    nullable: true,
    description:
      'Errors on the held-out ratings; null until the run has succeeded, and of trials of a search.',
  })
  evaluation(@Root() run: TrainingRun, @Ctx() { loaders }: Context): Promise<Evaluation | null> {
    return loaders.evaluation.load(run.key);
  }

  @FieldResolver(() => Model, {
    nullable: true,
    description:
      'What came of it; null until the run has succeeded, once the model is pruned, and of trials of a search.',
  })
  async model(@Root() run: TrainingRun, @Ctx() { loaders }: Context): Promise<Model | null> {
    const model = await loaders.modelOfRun.load(run.key);
    return model && toModel(model);
  }

  @FieldResolver(() => RunError, {
    nullable: true,
    description: 'Why it ended without a model; null unless it failed or was cancelled.',
  })
  error(@Root() run: TrainingRun): RunError | null {
    return toRunError(run);
  }
}

@Resolver(() => Model)
export class ModelResolver {
  @Query(() => Model, {
    nullable: true,
    description: 'The model that answers queries; null before any was promoted.',
  })
  async activeModel(@Ctx() context: Context): Promise<Model | null> {
    const model = await context.findActiveModel();
    return model && toModel(model);
  }

  @Query(() => ModelConnection, { description: 'All models, newest first.' })
  async models(@Args() page: PageArgs, @Ctx() { store }: Context): Promise<Connection<Model>> {
    return pageById('models', page, async (rows, from) => (await listModels(store, rows, from)).map(toModel));
  }

  @FieldResolver(() => TrainingRun, { description: 'The run that trained it.' })
  async run(@Root() model: Model, @Ctx() { loaders }: Context): Promise<TrainingRun> {
    // A model belongs to a run by a foreign key.
    return toTrainingRun((await loaders.run.load(model.runId))!);
  }
}

@Resolver()
export class EngineResolver {
  @Query(() => [Engine], {
    description: 'What this process can train on, fastest first, and why the others cannot be used.',
  })
  engines(@Ctx() { engineSettings }: Context): Promise<Engine[]> {
    return listEngines(engineSettings);
  }
}
