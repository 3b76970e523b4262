// What a monitor wants to know of the store at this moment, in one statement. Workers listen on no port: what they do is told from here.

import type { Store } from './store.js';

export interface Gauge {
  name: 'runs' | 'scorings' | 'jobs' | 'training samples per second' | 'active model version';
  /** Of runs, scorings and jobs. */
  status: string | null;
  value: number;
}

export async function readGauges(store: Store): Promise<Gauge[]> {
  const { rows } = await store.pool.query<Gauge>(
    `select 'runs' as name, status::text, count(*)::float8 as value from training_runs group by status
     union all
     select 'scorings', status::text, count(*) from scoring_runs group by status
     union all
     select 'jobs', state::text, count(*)
     from pgboss.job
     where name = 'work' and state in ('created', 'active')
     group by state
     union all
     select 'training samples per second', null, coalesce(sum((progress ->> 'samplesPerSecond')::float8), 0)
     from training_runs
     where status = 'RUNNING'
     union all
     select 'active model version', null, version from models where active`,
  );
  return rows;
}
