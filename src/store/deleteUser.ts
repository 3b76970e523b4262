// Takes a user out of the store: every row that names them, in one transaction, with a count of each kind. What models have learned
// stays until they are trained again, under a row number that leads to nobody.

import { AppError } from '../errors.js';
import { inTransaction, type Store } from './store.js';

/** Rows that were removed. */
export interface DeletionReceipt {
  ratings: number;
  /** Of stored lists: predictions. */
  recommendations: number;
  testPredictions: number;
  /** Of imports: lines that begin with the user's number. */
  rejectedLines: number;
}

/** Movies are locked in one order, against others who delete. Counts and means as an import keeps them: store/ratingImportSql.ts. */
const FORGET_IN_STATISTICS = `
  with gone as materialized (
    select movies.movie_id, rating
    from ratings join movies using (movie_id)
    where user_id = $1
    order by movie_id
    for update of movies
  )
  update movies
  set rating_count = rating_count - 1,
    mean_rating = (round(mean_rating * rating_count * 16777216) / 16777216 - rating) / nullif(rating_count - 1, 0)
  from gone
  where movies.movie_id = gone.movie_id`;

/** @throws AppError USER_NOT_FOUND */
export async function deleteUser(store: Store, userId: number): Promise<DeletionReceipt> {
  return inTransaction(store.pool, async (client) => {
    await client.query('lock table ratings in row exclusive mode');
    const { rows } = await client.query('select idx from users where user_id = $1 for update', [userId]);
    if (rows.length === 0)
      throw new AppError('USER_NOT_FOUND', `no user ${userId}`, { argumentPath: ['userId'] });
    await client.query(FORGET_IN_STATISTICS, [userId]);
    const remove = async (table: string) =>
      (await client.query(`delete from ${table} where user_id = $1`, [userId])).rowCount!;
    const receipt = {
      ratings: await remove('ratings'),
      recommendations: await remove('predictions'),
      testPredictions: await remove('test_predictions'),
      rejectedLines: await removeRejects(),
    };
    await remove('users');
    await client.query('insert into deleted_user_rows (idx) values ($1)', [rows[0].idx]);
    return receipt;

    /** The user's number is the first field of MovieLens' files, whatever divides them. */
    async function removeRejects(): Promise<number> {
      const pattern = `^\\s*"?${userId}"?\\s*([,;|\\t]|::)`;
      return (await client.query('delete from import_rejects where raw ~ $1', [pattern])).rowCount!;
    }
  });
}
