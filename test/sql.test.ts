// docs/sql.md for analysts: every statement runs as marquee_analyst, the views say what the rows say, and the role reads
// nothing else.

import { readFileSync } from 'node:fs';
import pg from 'pg';
import { importSynthetic, openTestStore, type TestStore, train } from './support/store.js';

const STATEMENTS = [...readFileSync('docs/sql.md', 'utf8').matchAll(/```sql\n([^`]*)```/g)].map(
  ([, sql]) => sql,
);

let store: TestStore;
let analyst: pg.Client;

beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
  await train(store);
  await train(store);
  analyst = new pg.Client({ connectionString: store.url });
  await analyst.connect();
  await analyst.query('set role marquee_analyst');
});

afterAll(async () => {
  await analyst.end();
  await store.drop();
});

test.each(STATEMENTS)('an analyst can run: %s', async (statement) => {
  const { rows } = await analyst.query(statement);
  const mayBeEmpty = /from (coverage|predictions)\b/.test(statement);
  expect(rows.length > 0 || mayBeEmpty).toBe(true);
});

test('every view and function for analysts has an example', async () => {
  const { rows } = await store.pool.query(
    `select viewname as name from pg_views where schemaname = 'public'
     union all
     select proname from pg_proc where pronamespace = 'public'::regnamespace and prorettype <> 'trigger'::regtype`,
  );
  expect(rows.filter(({ name }) => !STATEMENTS.some((text) => text.includes(name)))).toEqual([]);
  expect(rows.length).toBeGreaterThan(8);
});

test.each([
  'imports',
  'import_rejects',
  'training_runs',
  'model_tensors',
  'checkpoints',
  '_prisma_migrations',
])('an analyst cannot read %s', async (table) => {
  await expect(analyst.query(`select from ${table}`)).rejects.toMatchObject({ code: '42501' });
});

test('an analyst can read these tables and views, and nothing else', async () => {
  const { rows } = await store.pool.query<{ name: string }>(
    `select relname as name from pg_class
     where relkind in ('r', 'p', 'v', 'm') and relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
       and relnamespace::regnamespace::text not like 'pg_toast%' and not relispartition
       and has_schema_privilege('marquee_analyst', relnamespace, 'usage')
       and has_any_column_privilege('marquee_analyst', oid, 'select')
     order by relname`,
  );
  expect(rows.map(({ name }) => name)).toEqual([
    ...[
      'calibration',
      'confusion',
      'confusion_cells',
      'coverage',
      'drift',
      'epoch_metrics',
      'error_by_activity',
    ],
    ...[
      'error_by_decade',
      'error_by_genre',
      'error_by_rating',
      'evaluation_baselines',
      'evaluation_intervals',
      'evaluation_rankings',
      'evaluations',
      'models',
    ],
    ...['movies', 'predictions', 'rating_scale', 'ratings', 'test_errors', 'test_predictions', 'users'],
  ]);
});

test('an analyst cannot write', async () => {
  await expect(analyst.query('delete from ratings')).rejects.toMatchObject({ code: '42501' });
  await expect(analyst.query('create table mine (a int)')).rejects.toMatchObject({ code: '42501' });
});

test('the shares of a confusion add up to one for each rating given', async () => {
  const { rows } = await analyst.query(
    'select distinct round(sum(share_of_actual), 9)::float8 as whole from confusion group by run_id, actual',
  );
  expect(rows).toEqual([{ whole: 1 }]);
});

test('a star that no test rating has is in the confusion, without a share', async () => {
  await store.pool.query('update confusion_cells set ratings = 0 where run_id = 1 and actual = 0.5');
  const { rows } = await analyst.query(
    'select distinct ratings, share_of_actual from confusion where run_id = 1 and actual = 0.5',
  );
  expect(rows).toEqual([{ ratings: 0, share_of_actual: null }]);
});

describe('on three test ratings', () => {
  const RUN = 1_000_000;

  beforeAll(async () => {
    await store.pool.query(
      `insert into users (user_id, idx, rating_count) values (9001, 9001, 3), (9002, 9002, 40);
       insert into movies (movie_id, idx, title, year, genres)
       values (9001, 9001, 'A', 1994, '{Drama,War}'), (9002, 9002, 'B', 1999, '{Drama}'), (9003, 9003, 'C', null, '{}');
       insert into test_predictions
       values (${RUN}, 9001, 9001, 4, 3), (${RUN}, 9001, 9002, 2, 4), (${RUN}, 9002, 9003, 5, 4.5),
         (${RUN + 1}, 9001, 9001, 4, 3.5), (${RUN + 1}, 9001, 9002, 2, 3)`,
    );
  });

  test('errors are counted for each genre of a movie', async () => {
    expect(await ofRun('genre, ratings, rmse, mae, bias from error_by_genre', 'genre')).toEqual([
      { genre: 'Drama', ratings: 2, rmse: Math.sqrt(2.5), mae: 1.5, bias: 0.5 },
      { genre: 'War', ratings: 1, rmse: 1, mae: 1, bias: -1 },
    ]);
  });

  test('errors are counted by decade, the unknown year last', async () => {
    expect(await ofRun('decade, ratings, mae from error_by_decade', 'decade')).toEqual([
      { decade: 1990, ratings: 2, mae: 1.5 },
      { decade: null, ratings: 1, mae: 0.5 },
    ]);
  });

  test('errors are counted by how many ratings the user has', async () => {
    const text = 'user_ratings_from, users, ratings, mae from error_by_activity';
    expect(await ofRun(text, 'user_ratings_from')).toEqual([
      { user_ratings_from: 2, users: 1, ratings: 2, mae: 1.5 },
      { user_ratings_from: 32, users: 1, ratings: 1, mae: 0.5 },
    ]);
  });

  test('errors are counted by the rating given', async () => {
    expect(await ofRun('actual, bias from error_by_rating', 'actual')).toEqual([
      { actual: 2, bias: 2 },
      { actual: 4, bias: -1 },
      { actual: 5, bias: -0.5 },
    ]);
  });

  test('calibration says what was given where so much was predicted', async () => {
    expect(await ofRun('predicted_from, ratings, mean_actual from calibration', 'predicted_from')).toEqual([
      { predicted_from: 3, ratings: 1, mean_actual: 4 },
      { predicted_from: 4, ratings: 1, mean_actual: 2 },
      { predicted_from: 4.5, ratings: 1, mean_actual: 5 },
    ]);
  });

  test('drift is over the ratings that both runs were tested on', async () => {
    const { rows } = await analyst.query(
      'select ratings, mean_change, mean_absolute_change, rmse, other_rmse from drift where run_id = $1 and other_run_id = $2',
      [RUN, RUN + 1],
    );
    expect(rows).toEqual([
      {
        ...{ ratings: 2, mean_change: -0.25, mean_absolute_change: 0.75 },
        ...{ rmse: Math.sqrt(2.5), other_rmse: Math.sqrt(0.625) },
      },
    ]);
  });

  test('features are of the ratings before a time', async () => {
    await store.pool.query(
      `insert into ratings values (9001, 9001, 4, '1990-01-01'), (9001, 9002, 2, '1990-01-02'), (9001, 9003, 1, '1990-01-03')`,
    );
    const { rows } = await analyst.query(
      `select user_id, ratings, mean_rating from user_features('1990-01-03') union all
       select movie_id, ratings, mean_rating from movie_features('1990-01-02')`,
    );
    expect(rows).toEqual([
      { user_id: 9001, ratings: 2, mean_rating: 3 },
      { user_id: 9001, ratings: 1, mean_rating: 4 },
    ]);
  });

  async function ofRun(text: string, order: string): Promise<object[]> {
    return (await analyst.query(`select ${text} where run_id = $1 order by ${order}`, [RUN])).rows;
  }
});
