// Subscriptions: over graphql-ws (api/subscriptions.ts), from any replica, whichever process trains.

import { Arg, Ctx, ID, Resolver, Root, Subscription } from 'type-graphql';
import { AppError } from '../../errors.js';
import type { TrainingRun as TrainingRunRow } from '../../store/prisma/client.js';
import { getRun } from '../../store/runs.js';
import type { Context } from '../context.js';
import { toKey } from '../ids.js';
import { toTrainingRun } from '../types/fromRows.js';
import { TrainingRun } from '../types/training.js';

@Resolver()
export class SubscriptionResolver {
  @Subscription(() => TrainingRun, {
    description:
      'A run as it is now, and again when it has changed, a few times a second at most; ends with the run. For clients that speak graphql-transport-ws.',
    subscribe: ({ args, context }) => watchRun(args.runId as string, context as Context),
  })
  trainingRunProgress(
    @Arg('runId', () => ID, { description: 'The id of a TrainingRun.' }) _runId: string,
    @Root() run: TrainingRunRow | undefined,
    @Ctx() context: Context,
  ): TrainingRun {
    // Apollo takes it for a query.
    if (!run)
      throw new AppError(
        'BAD_INPUT',
        'a subscription came by POST: send it over a WebSocket to the same address',
      );
    // Epochs and the like of the state before are not those of this one.
    context.forget();
    return toTrainingRun(run);
  }
}

/** What is wrong with the id is refused before anything is watched. */
async function watchRun(runId: string, context: Context): Promise<AsyncGenerator<TrainingRunRow>> {
  const { id } = await getRun(context.store, toKey('TrainingRun', runId, 'runId'));
  return context.runFeed.watch(id);
}
