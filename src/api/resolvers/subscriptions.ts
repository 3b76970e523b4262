// Subscriptions: over graphql-ws (api/subscriptions.ts), from any replica, whichever process trains.

import { Arg, ID, Resolver, Root, Subscription } from 'type-graphql';
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
    @Root() run: TrainingRunRow,
  ): TrainingRun {
    return toTrainingRun(run);
  }
}

/** What is wrong with the id is refused before anything is watched. */
async function watchRun(runId: string, context: Context): Promise<AsyncGenerator<TrainingRunRow>> {
  const { id } = await getRun(context.store, toKey('TrainingRun', runId, 'runId'));
  return statesOf(id, context);
}

async function* statesOf(id: number, context: Context): AsyncGenerator<TrainingRunRow> {
  for await (const run of context.runFeed.watch(id)) {
    // Epochs and the like of the state before are not those of this one.
    context.forget();
    yield run;
  }
}
