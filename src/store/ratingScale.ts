// The rating scale of the store, one row: set by the first import, read by training, scoring and the API. It says nothing
// while there are no ratings, so that the next first import sets it anew.

import type pg from 'pg';
import { HALF_STARS, type RatingScale } from './scale.js';

type Queryable = Pick<pg.ClientBase, 'query'>;

/** null while there are no ratings. */
export async function findScale(database: Queryable): Promise<RatingScale | null> {
  const { rows } = await database.query<RatingScale>(
    'select minimum, maximum, step from rating_scale where exists (select from ratings)',
  );
  return rows[0] ?? null;
}

/** Half stars while there are no ratings. */
export async function readScale(database: Queryable): Promise<RatingScale> {
  return (await findScale(database)) ?? HALF_STARS;
}

export async function saveScale(database: Queryable, scale: RatingScale): Promise<void> {
  await database.query(
    `insert into rating_scale (minimum, maximum, step)
     values ($1, $2, $3)
     on conflict (id) do update set minimum = excluded.minimum, maximum = excluded.maximum, step = excluded.step`,
    [scale.minimum, scale.maximum, scale.step],
  );
}
