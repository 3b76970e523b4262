// deleteUser: every row that names a user goes, with a receipt; and what is like what.

import { resolveHyperparameters } from '#src/store/hyperparameterChecks.js';
import { getModel, listModels } from '#src/store/models.js';
import { startTestApi, type TestApi } from './support/api.js';
import { aRunRequest, importSynthetic, openTestStore, type TestStore, train } from './support/store.js';

let store: TestStore;
let api: TestApi;
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
  const hyperparameters = resolveHyperparameters('fast', { epochs: 14 });
  await train(store, aRunRequest({ preset: 'fast', hyperparameters, engine: 'auto' }));
  api = await startTestApi(store);
});
afterAll(async () => {
  await api.close();
  await store.drop();
});

const remove = (userId: number) =>
  api.query(`mutation { deleteUser(input: { userId: ${userId} }) { userErrors { code field }
    receipt { ratings recommendations testPredictions rejectedLines } } }`);

async function rowsAbout(userId: number): Promise<number> {
  const { rows } = await store.pool.query(
    `select (select count(*) from users where user_id = $1) + (select count(*) from ratings where user_id = $1)
       + (select count(*) from predictions where user_id = $1) + (select count(*) from test_predictions where user_id = $1)
       as n`,
    [userId],
  );
  return Number(rows[0].n);
}

test('a deleted user leaves no row, and the receipt counts what went', async () => {
  const { rows } = await store.pool.query(
    `select (select count(*) from ratings where user_id = 120)::int as ratings,
       (select count(*) from test_predictions where user_id = 120)::int as "testPredictions"`,
  );
  await store.pool.query(
    `insert into import_rejects (import_id, file, line, raw, reason)
     select id, 'ratings.csv', 9, '120,5,99,', 'a test' from imports
     union all select id, 'ratings.csv', 10, '1200,5,99,', 'a test' from imports`,
  );
  const { data } = await remove(120);
  expect(data.deleteUser).toEqual({
    userErrors: [],
    receipt: { ...rows[0], recommendations: 0, rejectedLines: 1 },
  });
  expect(await rowsAbout(120)).toBe(0);
  const { rows: wrong } = await store.pool.query(
    `select movie_id from movies
     left join (select movie_id, count(*) as n, avg(rating) as mean from ratings group by movie_id) as counted using (movie_id)
     where rating_count <> coalesce(n, 0) or abs(coalesce(mean_rating, 0) - coalesce(mean, 0)) > 1e-9`,
  );
  expect(wrong).toEqual([]);
});

test('a user who is not there cannot be deleted', async () => {
  const { data } = await remove(4242);
  expect(data.deleteUser).toEqual({
    userErrors: [{ code: 'USER_NOT_FOUND', field: ['input', 'userId'] }],
    receipt: null,
  });
});

test('the row of a deleted user is never given out again, and training leaves it empty', async () => {
  await remove(119);
  await api.query(
    'mutation { rateMovie(input: { userId: 777, movieId: 1, rating: 4 }) { userErrors { code } } }',
  );
  const { rows } = await store.pool.query('select idx from users where user_id = 777');
  expect(rows[0].idx).toBe(120);
  await remove(50);
  const hyperparameters = resolveHyperparameters('fast', { epochs: 14 });
  await train(store, aRunRequest({ preset: 'fast', hyperparameters, engine: 'auto' }));
  const [{ id }] = await listModels(store, 1, null);
  expect((await getModel(store, id)).users).toBe(121);
  const { data } = await api.query('{ user(userId: 51) { predictedRating(movieId: 3) { source } } }');
  expect(data.user.predictedRating.source).toBe('MODEL');
  const tested = await store.pool.query('select distinct user_id from test_predictions where user_id = 0');
  expect(tested.rows).toEqual([]);
});

test('users and movies have others like them, most similar first, never themselves', async () => {
  const { data, errors } = await api.query(`{
    movie(movieId: 1) { similar(first: 5) { similarity movie { movieId } } }
    user(userId: 1) { similarUsers(first: 5) { similarity user { userId } } }
  }`);
  expect(errors).toBeUndefined();
  const { similar } = data.movie;
  const { similarUsers } = data.user;
  expect(similar.length).toBe(5);
  expect(similarUsers.length).toBe(5);
  expect(similar.map(({ movie }: { movie: { movieId: number } }) => movie.movieId)).not.toContain(1);
  expect(similarUsers.map(({ user }: { user: { userId: number } }) => user.userId)).not.toContain(1);
  const similarities = similar.map(({ similarity }: { similarity: number }) => similarity);
  expect(similarities).toEqual([...similarities].sort((a, b) => b - a));
  expect(similarities[0]).toBeLessThanOrEqual(1);
});
