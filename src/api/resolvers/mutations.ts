// Mutations: check → call → payload. Refusals that a client can mend are `userErrors`.

import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import { checkEngineName } from '../../engines/open.js';
import { checkSeed, resolveHyperparameters, resolveSplit } from '../../store/hyperparameters.js';
import { promoteModel } from '../../store/models.js';
import { rateMovie, removeRating } from '../../store/ratings.js';
import { createRun } from '../../store/runs.js';
import { checkUserId } from '../checks.js';
import type { Context } from '../context.js';
import { toKey } from '../ids.js';
import type { Rating, User } from '../types/catalogue.js';
import { toModel, toTrainingRun } from '../types/fromRows.js';
import {
  PromoteModelInput,
  PromoteModelPayload,
  RateMovieInput,
  RateMoviePayload,
  RemoveRatingInput,
  RemoveRatingPayload,
  StartTrainingRunInput,
  StartTrainingRunPayload,
} from '../types/mutations.js';
import { orUserErrors } from '../userErrors.js';

@Resolver()
export class MutationResolver {
  @Mutation(() => StartTrainingRunPayload, {
    description: 'Queues a run; a worker takes it within a second.',
  })
  startTrainingRun(
    @Arg('input', () => StartTrainingRunInput) input: StartTrainingRunInput,
    @Ctx() { store, queue, codeVersion }: Context,
  ): Promise<StartTrainingRunPayload> {
    const fields = {
      PRESET_UNKNOWN: ['input', 'preset'],
      HYPERPARAMETER_INVALID: ['input'],
      ENGINE_UNKNOWN: ['input', 'engine'],
    };
    return orUserErrors(fields, async () => {
      checkEngineName(input.engine);
      checkSeed('seed', input.seed);
      const { run, isNew } = await createRun(store, {
        preset: input.preset,
        hyperparameters: resolveHyperparameters(input.preset, input.hyperparameters ?? {}),
        split: resolveSplit(input.split ?? {}),
        seed: input.seed,
        engine: input.engine,
        promote: input.promote,
        idempotencyKey: input.idempotencyKey ?? null,
        codeVersion,
      });
      if (isNew) await queue.sendTraining(run.id);
      return { trainingRun: toTrainingRun(run) };
    });
  }

  @Mutation(() => PromoteModelPayload, {
    description: 'Makes a model the active one, at once and for all replicas.',
  })
  promoteModel(
    @Arg('input', () => PromoteModelInput) { modelId }: PromoteModelInput,
    @Ctx() { store }: Context,
  ): Promise<PromoteModelPayload> {
    const fields = { MODEL_NOT_FOUND: ['input', 'modelId'], BAD_INPUT: ['input', 'modelId'] };
    return orUserErrors(fields, async () => ({
      model: toModel(await promoteModel(store, toKey('Model', modelId))),
    }));
  }

  @Mutation(() => RateMoviePayload, {
    description: 'Adds or replaces a rating; it counts from this request on.',
  })
  rateMovie(
    @Arg('input', () => RateMovieInput) { userId, movieId, rating }: RateMovieInput,
    @Ctx() { store, loaders }: Context,
  ): Promise<RateMoviePayload> {
    const fields = {
      RATING_OUT_OF_RANGE: ['input', 'rating'],
      MOVIE_NOT_FOUND: ['input', 'movieId'],
      BAD_INPUT: ['input', 'userId'],
    };
    return orUserErrors(fields, async () => {
      checkUserId(userId);
      const stored = await rateMovie(store, userId, movieId, rating, new Date());
      return { rating: stored as Rating, user: (await loaders.user.load(userId)) as User };
    });
  }

  @Mutation(() => RemoveRatingPayload, { description: 'Takes a rating back; the user stays.' })
  removeRating(
    @Arg('input', () => RemoveRatingInput) { userId, movieId }: RemoveRatingInput,
    @Ctx() { store, loaders }: Context,
  ): Promise<RemoveRatingPayload> {
    const fields = { MOVIE_NOT_FOUND: ['input', 'movieId'], RATING_NOT_FOUND: ['input'] };
    return orUserErrors(fields, async () => {
      const removed = await removeRating(store, userId, movieId);
      return { rating: removed as Rating, user: (await loaders.user.load(userId)) as User };
    });
  }
}
