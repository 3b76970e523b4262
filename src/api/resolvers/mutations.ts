// Mutations: check → call → payload. Refusals that a client can mend are `userErrors`.

import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import { checkEngine } from '../../engines/open.js';
import type { ErrorCode } from '../../errors.js';
import { deleteUser } from '../../store/deleteUser.js';
import { promoteModel } from '../../store/promotion.js';
import { rateMovie, removeRating } from '../../store/ratings.js';
import { repeatRequest } from '../../store/runRecord.js';
import { resolveRunRequest } from '../../store/runRequest.js';
import { cancelRun, createRun, resumeRun } from '../../store/runs.js';
import { checkIdempotencyKey, checkUserId } from '../checks.js';
import type { Context } from '../context.js';
import { toKey } from '../ids.js';
import type { Rating, User } from '../types/catalogue.js';
import { toModel, toTrainingRun } from '../types/fromRows.js';
import {
  DeleteUserInput,
  DeleteUserPayload,
  RateMovieInput,
  RateMoviePayload,
  RemoveRatingInput,
  RemoveRatingPayload,
} from '../types/ratingMutations.js';
import {
  CancelTrainingRunInput,
  CancelTrainingRunPayload,
  PromoteModelInput,
  PromoteModelPayload,
  RepeatTrainingRunInput,
  RepeatTrainingRunPayload,
  ResumeTrainingRunInput,
  ResumeTrainingRunPayload,
  StartTrainingRunInput,
  StartTrainingRunPayload,
} from '../types/runMutations.js';
import { orUserErrors } from '../userErrors.js';

const START_REFUSALS = [
  'PRESET_UNKNOWN',
  'HYPERPARAMETER_INVALID',
  'ENGINE_UNKNOWN',
  'ENGINE_UNSUPPORTED',
  'BAD_INPUT',
] as const satisfies ErrorCode[];

const PROMOTE_REFUSALS = [
  'MODEL_NOT_FOUND',
  'MODEL_WORSE',
  'MODEL_INCOMPARABLE',
  'BAD_INPUT',
] as const satisfies ErrorCode[];

@Resolver()
export class MutationResolver {
  @Mutation(() => StartTrainingRunPayload, {
    description: 'Queues a run for the next free worker.',
  })
  startTrainingRun(
    @Arg('input', () => StartTrainingRunInput, { description: 'What to train, and how.' })
    input: StartTrainingRunInput,
    @Ctx() { store, queue, codeVersion }: Context,
  ): Promise<StartTrainingRunPayload> {
    return orUserErrors(START_REFUSALS, async () => {
      checkIdempotencyKey(input.idempotencyKey);
      const request = resolveRunRequest(input, codeVersion);
      checkEngine(request.engine, request.hyperparameters);
      const run = await createRun(store, request);
      if (run.status === 'QUEUED') await queue.sendJob({ name: 'train', runId: run.id }, run.priority);
      return { trainingRun: toTrainingRun(run) };
    });
  }

  @Mutation(() => CancelTrainingRunPayload, {
    description: 'Stops a run, whichever worker trains it, and keeps its last checkpoint.',
  })
  cancelTrainingRun(
    @Arg('input', () => CancelTrainingRunInput, { description: 'Which run.' }) {
      runId,
    }: CancelTrainingRunInput,
    @Ctx() { store }: Context,
  ): Promise<CancelTrainingRunPayload> {
    return orUserErrors(['RUN_NOT_FOUND', 'RUN_ENDED', 'BAD_INPUT'], async () => {
      const run = await cancelRun(store, toKey('TrainingRun', runId, 'runId'));
      return { trainingRun: toTrainingRun(run) };
    });
  }

  @Mutation(() => ResumeTrainingRunPayload, {
    description:
      'Puts a run that failed or was cancelled back into the queue, to go on from its last checkpoint.',
  })
  resumeTrainingRun(
    @Arg('input', () => ResumeTrainingRunInput, { description: 'Which run.' }) {
      runId,
    }: ResumeTrainingRunInput,
    @Ctx() { store, queue }: Context,
  ): Promise<ResumeTrainingRunPayload> {
    return orUserErrors(['RUN_NOT_FOUND', 'RUN_ENDED', 'BAD_INPUT'], async () => {
      const run = await resumeRun(store, toKey('TrainingRun', runId, 'runId'));
      await queue.sendJob({ name: 'train', runId: run.id }, run.priority);
      return { trainingRun: toTrainingRun(run) };
    });
  }

  @Mutation(() => RepeatTrainingRunPayload, {
    description:
      'Queues a run with the record of an earlier one, on the same engine: the same ratings give the same model. It fails with RUN_OTHER_RATINGS when they have changed, and its model does not become active.',
  })
  repeatTrainingRun(
    @Arg('input', () => RepeatTrainingRunInput, { description: 'Which run.' })
    { runId }: RepeatTrainingRunInput,
    @Ctx() { store, queue, codeVersion }: Context,
  ): Promise<RepeatTrainingRunPayload> {
    return orUserErrors(['RUN_NOT_FOUND', 'RUN_NOT_REPEATABLE', 'BAD_INPUT'], async () => {
      const request = await repeatRequest(store, toKey('TrainingRun', runId, 'runId'), codeVersion);
      const run = await createRun(store, request);
      await queue.sendJob({ name: 'train', runId: run.id });
      return { trainingRun: toTrainingRun(run) };
    });
  }

  @Mutation(() => PromoteModelPayload, {
    description:
      'Makes a model the active one, at once and for all replicas; requests in flight end with the model they began with. Refused when it is worse than the active one, unless forced.',
  })
  promoteModel(
    @Arg('input', () => PromoteModelInput, { description: 'Which model.' })
    { modelId, force }: PromoteModelInput,
    @Ctx() context: Context,
  ): Promise<PromoteModelPayload> {
    return orUserErrors(PROMOTE_REFUSALS, async () => {
      const id = toKey('Model', modelId, 'modelId');
      const model = await promoteModel(context.store, id, { force: force ?? false });
      context.forget();
      return { model: toModel(model) };
    });
  }

  @Mutation(() => RateMoviePayload, {
    description: 'Adds or replaces a rating; it counts from this request on.',
  })
  rateMovie(
    @Arg('input', () => RateMovieInput, { description: 'Who rates which movie, and how.' }) {
      userId,
      movieId,
      rating,
    }: RateMovieInput,
    @Ctx() context: Context,
  ): Promise<RateMoviePayload> {
    return orUserErrors(['RATING_OUT_OF_RANGE', 'MOVIE_NOT_FOUND', 'BAD_INPUT'], async () => {
      checkUserId(userId);
      const stored = await rateMovie(context.store, userId, movieId, rating, new Date());
      context.forget();
      return { rating: stored as Rating, user: (await context.loaders.user.load(userId)) as User };
    });
  }

  @Mutation(() => RemoveRatingPayload, { description: 'Takes a rating back; the user stays.' })
  removeRating(
    @Arg('input', () => RemoveRatingInput, { description: 'Which rating.' }) {
      userId,
      movieId,
    }: RemoveRatingInput,
    @Ctx() context: Context,
  ): Promise<RemoveRatingPayload> {
    return orUserErrors(['MOVIE_NOT_FOUND', 'RATING_NOT_FOUND'], async () => {
      const removed = await removeRating(context.store, userId, movieId);
      context.forget();
      return { rating: removed as Rating, user: (await context.loaders.user.load(userId)) as User };
    });
  }

  @Mutation(() => DeleteUserPayload, {
    description:
      'Removes a user and every row that names them. Models keep what they have learned, under a row that leads to nobody, until they are trained again.',
  })
  deleteUser(
    @Arg('input', () => DeleteUserInput, { description: 'Whom.' }) { userId }: DeleteUserInput,
    @Ctx() context: Context,
  ): Promise<DeleteUserPayload> {
    return orUserErrors(['USER_NOT_FOUND'], async () => {
      const receipt = await deleteUser(context.store, userId);
      context.forget();
      return { receipt };
    });
  }
}
