// What makes a search go on: the next runs are added, or it ends. What is next, store/searchPlan.ts tells from the trials there are; here it is
// done, once, however many ask at the same time.

import type pg from 'pg';
import type { ErrorCode } from '../errors.js';
import { type Hyperparameters, keptEpoch, storedHyperparameters } from './hyperparameters.js';
import type { Search } from './prisma/client.js';
import { endSearch, insertRuns, type NewRun, type QueuedRun } from './searches.js';
import { nextStep, onRung, type Rung, rungsOf, type Trial } from './searchPlan.js';
import { inTransaction, type Store } from './store.js';

interface Child extends Omit<Trial, 'trial' | 'rung'> {
  /** null: the run of the winner. */
  trial: number | null;
  rung: number | null;
  hyperparameters: unknown;
  errorCode: string | null;
  errorMessage: string | null;
}

/** Does what is next for a search, if anything is: adds runs, which are given, or ends it. Doing it again does no harm. */
export async function advanceSearch(store: Store, id: number): Promise<QueuedRun[]> {
  return inTransaction(store.pool, async (client) => {
    const search = await lockSearch(client, id);
    if (!search) return [];
    const children = await childrenOf(client, id);
    const winnersRun = children.find(({ trial }) => trial === null);
    if (winnersRun) {
      await endWith(client, id, winnersRun);
      return [];
    }
    const base = storedHyperparameters(search.hyperparameters);
    const step = nextStep(rungsOf(search.strategy, search.trials, base.epochs), children as Trial[]);
    switch (step.kind) {
      case 'wait':
        return [];
      case 'train':
        return insertRuns(client, id, anew(children, step.rung, step.trials, base));
      case 'crown': {
        const hyperparameters = await crowned(client, children.find((child) => child.id === step.winner.id)!);
        return insertRuns(client, id, [
          { rung: null, trial: null, hyperparameters, promote: search.promote },
        ]);
      }
      case 'fail': {
        const causes = children.filter(({ errorCode }) => errorCode !== null);
        const cause = causes.length === 0 ? '' : `; the last: ${causes.at(-1)!.errorMessage}`;
        const message = `no trial of search ${id} succeeded: ${causes.length} failed${cause}`;
        await endSearch(client, id, 'FAILED', { code: 'SEARCH_FAILED', message });
        return [];
      }
      default:
        return step satisfies never;
    }
  });
}

/** null when it has ended, or there is none. */
async function lockSearch(
  client: pg.PoolClient,
  id: number,
): Promise<Pick<Search, 'strategy' | 'trials' | 'hyperparameters' | 'promote'> | null> {
  const { rows } = await client.query(
    `select strategy, trials, hyperparameters, promote from searches where id = $1 and status = 'RUNNING' for update`,
    [id],
  );
  return rows[0] ?? null;
}

async function childrenOf(client: pg.PoolClient, id: number): Promise<Child[]> {
  const { rows } = await client.query<Child>(
    `select id, rung, trial, status, hyperparameters, validation_rmse as "validationRmse",
       error_code as "errorCode", error_message as "errorMessage"
     from training_runs
     where search_id = $1
     order by id`,
    [id],
  );
  return rows;
}

/** The same trials in a further rung, with its epochs. */
function anew(
  children: readonly Child[],
  rung: Rung,
  trials: readonly number[],
  { epochs, burnIn }: Hyperparameters,
): NewRun[] {
  return trials.map((trial) => {
    const first = children.find((child) => child.trial === trial)!;
    const drawn = { ...storedHyperparameters(first.hyperparameters), epochs, burnIn };
    return { rung: rung.rung, trial, hyperparameters: onRung(drawn, rung) };
  });
}

/** The winner's, with the epochs that were best for it, on all training ratings. */
async function crowned(client: pg.PoolClient, winner: Child): Promise<Hyperparameters> {
  const hyperparameters = storedHyperparameters(winner.hyperparameters);
  const { rows } = await client.query<{ epoch: number; validationLoss: number }>(
    `select epoch, validation_loss as "validationLoss" from epoch_metrics where run_id = $1 order by epoch`,
    [winner.id],
  );
  const epochs = keptEpoch(hyperparameters, rows) ?? hyperparameters.epochs;
  return { ...hyperparameters, epochs, validationFraction: 0, patience: 0 };
}

async function endWith(client: pg.PoolClient, id: number, run: Child): Promise<void> {
  if (run.status === 'SUCCEEDED') await endSearch(client, id, 'SUCCEEDED', null);
  if (run.status !== 'FAILED' && run.status !== 'CANCELLED') return;
  const code = (run.errorCode ?? 'SEARCH_FAILED') as ErrorCode;
  await endSearch(client, id, 'FAILED', { code, message: `the winner's run ${run.id}: ${run.errorMessage}` });
}
