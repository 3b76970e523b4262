// Batch scorings: started and cancelled by mutation, followed by query.

import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import {
  cancelScoringRun,
  createScoringRun,
  DEFAULT_TOP,
  findScoringRun,
  listScoringRuns,
} from '../../store/scoringRuns.js';
import { checkIdempotencyKey } from '../checks.js';
import type { Context } from '../context.js';
import { toKey } from '../ids.js';
import { type Connection, PageArgs, pageById } from '../paging.js';
import { toModel, toRunError, toScoringRun } from '../types/fromRows.js';
import { Model } from '../types/models.js';
import { RunError } from '../types/runFigures.js';
import {
  CancelBatchScoringInput,
  CancelBatchScoringPayload,
  ScoringProgress,
  ScoringRun,
  ScoringRunConnection,
  StartBatchScoringInput,
  StartBatchScoringPayload,
} from '../types/scoring.js';
import { orUserErrors } from '../userErrors.js';

@Resolver(() => ScoringRun)
export class ScoringRunResolver {
  @Query(() => ScoringRun, { nullable: true, description: 'null when there is no such scoring.' })
  async scoringRun(
    @Arg('id', () => ID, { description: 'The id of a ScoringRun.' }) id: string,
    @Ctx() { store }: Context,
  ): Promise<ScoringRun | null> {
    const run = await findScoringRun(store, toKey('ScoringRun', id, 'id'));
    return run && toScoringRun(run);
  }

  @Query(() => ScoringRunConnection, { description: 'Batch scorings, newest first.' })
  async scoringRuns(@Args() page: PageArgs, @Ctx() { store }: Context): Promise<Connection<ScoringRun>> {
    return pageById('scoringRuns', page, async (rows, from) =>
      (await listScoringRuns(store, rows, from)).map(toScoringRun),
    );
  }

  @Mutation(() => StartBatchScoringPayload, {
    description:
      'Queues the recommendations of every user for all free workers; they replace those stored for the model when all are there.',
  })
  startBatchScoring(
    @Arg('input', () => StartBatchScoringInput, { description: 'Which model, and how long lists.' })
    { modelId, top, idempotencyKey }: StartBatchScoringInput,
    @Ctx() context: Context,
  ): Promise<StartBatchScoringPayload> {
    const refusals = [
      'MODEL_NOT_FOUND',
      'NO_ACTIVE_MODEL',
      'SCORING_INVALID',
      'SCORING_BUSY',
      'BAD_INPUT',
    ] as const;
    return orUserErrors(refusals, async () => {
      checkIdempotencyKey(idempotencyKey);
      const run = await createScoringRun(context.store, {
        modelId: modelId ? toKey('Model', modelId, 'modelId') : (await context.getActiveModel()).id,
        top: top ?? DEFAULT_TOP,
        idempotencyKey: idempotencyKey ?? null,
      });
      if (run.finishedAt === null) await context.queue.sendJob({ name: 'score', runId: run.id });
      return { scoringRun: toScoringRun(run) };
    });
  }

  @Mutation(() => CancelBatchScoringPayload, {
    description: 'Stops a batch scoring within seconds; what it has written is dropped.',
  })
  cancelBatchScoring(
    @Arg('input', () => CancelBatchScoringInput, { description: 'Which one.' })
    { scoringRunId }: CancelBatchScoringInput,
    @Ctx() { store }: Context,
  ): Promise<CancelBatchScoringPayload> {
    return orUserErrors(['SCORING_NOT_FOUND', 'SCORING_ENDED', 'BAD_INPUT'], async () => {
      const run = await cancelScoringRun(store, toKey('ScoringRun', scoringRunId, 'scoringRunId'));
      return { scoringRun: toScoringRun(run) };
    });
  }

  @FieldResolver(() => ScoringProgress, { description: 'How far it has come.' })
  progress(@Root() run: ScoringRun, @Ctx() { loaders }: Context): Promise<ScoringProgress> {
    return loaders.scoringProgress.load(run.key);
  }

  @FieldResolver(() => Model, { description: 'Whose recommendations they are.' })
  async model(@Root() run: ScoringRun, @Ctx() { loaders }: Context): Promise<Model> {
    // A scoring belongs to a model by a foreign key.
    return toModel((await loaders.model.load(run.modelId))!);
  }

  @FieldResolver(() => RunError, {
    nullable: true,
    description: 'Why it ended without lists; null unless it failed or was cancelled.',
  })
  error(@Root() run: ScoringRun): RunError | null {
    return toRunError(run);
  }
}
