import { readdirSync, readFileSync } from 'node:fs';
import { StatementPool } from '#src/store/pool.js';
import { startTestApi, type TestApi } from './support/api.js';
import {
  aRunRequest,
  importSynthetic,
  openTestStore,
  type TestStore,
  train,
  trainInThread,
} from './support/store.js';

let store: TestStore;
let api: TestApi;
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
  await trainInThread(store);
  api = await startTestApi(store);
});
afterAll(async () => {
  await api.close();
  await store.drop();
});

test('a client asks for a user, their ratings and what to watch next in one query', async () => {
  const { data, errors } = await api.query(`{
    user(userId: 1) {
      userId ratingCount meanRating
      ratings(first: 2, orderBy: RATING_DESC) { nodes { rating movie { title } } pageInfo { hasNextPage } totalCount }
      recommendations(first: 3) { nodes { rank predictedRating source movie { movieId title } } }
    }
  }`);
  expect(errors).toBeUndefined();
  expect(data.user.userId).toBe(1);
  expect(data.user.ratings.totalCount).toBe(data.user.ratingCount);
  expect(data.user.ratings.nodes[0].rating).toBeGreaterThanOrEqual(data.user.ratings.nodes[1].rating);
  expect(data.user.recommendations.nodes.map((node: { rank: number }) => node.rank)).toEqual([1, 2, 3]);
});

test('a user has what the data set tells about them, null where it tells nothing', async () => {
  await store.pool.query(
    `update users set gender = 'F', age = 35, occupation = 'writer', zip_code = '55117' where user_id = 2`,
  );
  const { data } = await api.query(`{
    a: user(userId: 2) { gender age occupation zipCode }
    b: user(userId: 3) { gender age occupation zipCode }
  }`);
  expect(data.a).toEqual({ gender: 'F', age: 35, occupation: 'writer', zipCode: '55117' });
  expect(data.b).toEqual({ gender: null, age: null, occupation: null, zipCode: null });
});

test('every query in docs/examples is answered without errors', async () => {
  const examples = readdirSync('docs/examples').filter((name) => name.endsWith('.graphql'));
  expect(examples.length).toBeGreaterThanOrEqual(7);
  for (const name of examples) {
    const { data, errors } = await api.query(readFileSync(`docs/examples/${name}`, 'utf8'));
    expect({ name, errors }).toEqual({ name, errors: undefined });
    expect(Object.values(data).every((value) => value !== null)).toBe(true);
  }
});

test('a run answers with its record and its log, is compared with others, and is repeated', async () => {
  const { data } = await api.query(`{ trainingRuns(first: 1, status: [SUCCEEDED]) { nodes {
    id snapshotRatings keptEpoch repeats { id } timings { phase seconds } logs(first: 2) { nodes { level message } pageInfo { endCursor } } } } }`);
  const [run] = data.trainingRuns.nodes;
  expect(run).toMatchObject({ snapshotRatings: 3000, keptEpoch: 2, repeats: null });
  expect(run.timings.map(({ phase }: { phase: string }) => phase).sort()).toEqual([
    'baselines',
    'evaluate',
    'rank',
    'read',
    'train',
  ]);
  expect(run.logs.nodes.map(({ level }: { level: string }) => level)).toEqual(['INFO', 'INFO']);
  const more = await api.query(
    'query ($id: ID!, $after: String) { trainingRun(id: $id) { logs(first: 9, after: $after) { nodes { message } } } }',
    {
      id: run.id,
      after: run.logs.pageInfo.endCursor,
    },
  );
  expect(more.data.trainingRun.logs.nodes[0].message).toContain('the run succeeded');

  const repeated = await api.query(
    'mutation ($id: ID!) { repeatTrainingRun(input: { runId: $id }) { trainingRun { id status seed repeats { id } } userErrors { code } } }',
    { id: run.id },
  );
  const { trainingRun, userErrors } = repeated.data.repeatTrainingRun;
  expect(userErrors).toEqual([]);
  expect(trainingRun).toMatchObject({ status: 'QUEUED', seed: 1, repeats: { id: run.id } });

  const compared = await api.query(
    'query ($ids: [ID!]!) { compareTrainingRuns(ids: $ids) { name values same } }',
    {
      ids: [run.id, trainingRun.id],
    },
  );
  expect(compared.data.compareTrainingRuns).toContainEqual({
    name: 'status',
    values: ['SUCCEEDED', 'QUEUED'],
    same: false,
  });
  const again = await api.query(
    'mutation ($id: ID!) { repeatTrainingRun(input: { runId: $id }) { trainingRun { id } userErrors { code field } } }',
    { id: trainingRun.id },
  );
  expect(again.data.repeatTrainingRun).toEqual({
    trainingRun: null,
    userErrors: [{ code: 'RUN_NOT_REPEATABLE', field: ['input', 'runId'] }],
  });
  const one = await api.query('query ($ids: [ID!]!) { compareTrainingRuns(ids: $ids) { name } }', {
    ids: [run.id],
  });
  expect(one.errors![0].message).toBe('ids has 1 entries: expected 2 to 20');
});

test('pages of any list join up to the whole list, each row once', async () => {
  const movies = await walk('movies', 'first: 7, orderBy: MEAN_RATING_DESC', 'movieId');
  expect(movies.length).toBe(80);
  expect(new Set(movies).size).toBe(80);
  const users = await walk('users', 'first: 50, orderBy: RATING_COUNT_DESC', 'userId');
  expect(new Set(users).size).toBe(120);
});

test('a cursor of another list or order is refused', async () => {
  const { data } = await api.query('{ movies(first: 1, orderBy: TITLE) { pageInfo { endCursor } } }');
  const cursor = data.movies.pageInfo.endCursor;
  const { errors } = await api.query(
    'query ($after: String) { movies(first: 1, after: $after) { nodes { title } } }',
    {
      after: cursor,
    },
  );
  expect(errors![0].extensions.code).toBe('BAD_CURSOR');
});

test('null for an optional argument means its default', async () => {
  const { data, errors } = await api.query(`{
    movies(first: 1, orderBy: null, filter: null, after: null) { nodes { movieId } }
    users(first: 1, orderBy: null) { nodes { userId ratings(first: 1, orderBy: null) { nodes { rating } }
      recommendations(first: 1) { nodes { reasons(first: null) { weight } } } } }
    predictedRating(userId: 1, movieId: 1) { interval(level: null) { level } }
    activeModel { run { evaluation { ranking(k: null) { k } } } }
  }`);
  expect(errors).toBeUndefined();
  expect(data.movies.nodes).toEqual([{ movieId: 1 }]);
  expect(data.users.nodes[0].userId).toBe(1);
  expect(data.activeModel.run.evaluation.ranking).toEqual({ k: 10 });
});

test('a forged cursor of recommendations is refused, not answered with an empty page', async () => {
  const { data } = await api.query('{ activeModel { id } }');
  const modelKey = Buffer.from(data.activeModel.id, 'base64url').toString().split(':')[1];
  const after = Buffer.from(`["recommendations:${modelKey}","a","b","c"]`).toString('base64url');
  const { errors } = await api.query(
    `{ user(userId: 1) { recommendations(first: 1, after: "${after}") { nodes { rank } } } }`,
  );
  expect(errors![0].extensions.code).toBe('BAD_CURSOR');
});

test('a predicted rating for a user below 1 is refused', async () => {
  const { errors } = await api.query('{ predictedRating(userId: -5, movieId: 1) { rating } }');
  expect(errors![0]).toMatchObject({
    message: 'userId is -5: expected 1 or more',
    extensions: { code: 'BAD_INPUT' },
  });
});

test('a forged cursor is an error of the client, not of the server', async () => {
  const after = Buffer.from('["movies:MOVIE_ID","x"]').toString('base64url');
  const { errors } = await api.query(`{ movies(first: 1, after: "${after}") { nodes { title } } }`);
  expect(errors![0].extensions.code).toBe('BAD_CURSOR');
});

test('first must be 1 to 100, and the answer says so', async () => {
  const { errors } = await api.query('{ movies(first: 101) { nodes { title } } }');
  expect(errors![0]).toMatchObject({
    message: 'first is 101: expected 1 to 100',
    extensions: { code: 'BAD_INPUT' },
  });
});

test('movies are filtered by title, genres, years and number of ratings', async () => {
  const { data } = await api.query(`{
    movies(first: 100, filter: { search: "PART 1", genresAny: ["Comedy", "Drama"], yearFrom: 1960, yearTo: 2010, minRatingCount: 5 }) {
      totalCount nodes { title genres year ratingCount }
    }
  }`);
  expect(data.movies.nodes.length).toBeGreaterThan(0);
  expect(data.movies.totalCount).toBe(data.movies.nodes.length);
  for (const movie of data.movies.nodes) {
    expect(movie.title).toContain('part 1');
    expect(movie.genres.some((genre: string) => genre === 'Comedy' || genre === 'Drama')).toBe(true);
    expect(movie.year).toBeGreaterThanOrEqual(1960);
    expect(movie.year).toBeLessThanOrEqual(2010);
    expect(movie.ratingCount).toBeGreaterThanOrEqual(5);
  }
});

test('a % in a search is looked for as it is', async () => {
  const { data } = await api.query('{ movies(first: 5, filter: { search: "%" }) { nodes { title } } }');
  expect(data.movies.nodes).toEqual([]);
});

test('popular movies come by number of ratings', async () => {
  const { data } = await api.query('{ popularMovies(first: 5) { ratingCount } }');
  const counts = data.popularMovies.map((movie: { ratingCount: number }) => movie.ratingCount);
  expect(counts).toEqual([...counts].sort((a, b) => b - a));
});

test('recommendations leave out rated movies, walk through the rest once, and come best first', async () => {
  const { data } = await api.query(
    '{ user(userId: 2) { ratings(first: 100) { nodes { movie { movieId } } } } }',
  );
  const rated = data.user.ratings.nodes.map((node: { movie: { movieId: number } }) => node.movie.movieId);
  const seen: { movieId: number; rank: number; stars: number }[] = [];
  for (let after: string | null = null, more = true; more; ) {
    const page = await api.query(
      `query ($after: String) { user(userId: 2) { recommendations(first: 9, after: $after) {
        nodes { rank predictedRating movie { movieId } } pageInfo { hasNextPage endCursor } } } }`,
      { after },
    );
    const { nodes, pageInfo } = page.data.user.recommendations;
    for (const node of nodes)
      seen.push({ movieId: node.movie.movieId, rank: node.rank, stars: node.predictedRating });
    [after, more] = [pageInfo.endCursor, pageInfo.hasNextPage];
  }
  expect(seen.map(({ rank }) => rank)).toEqual(seen.map((_, i) => i + 1));
  expect(new Set([...rated, ...seen.map(({ movieId }) => movieId)]).size).toBe(80);
  expect(seen.length + rated.length).toBe(80);
  for (let i = 1; i < seen.length; i++) expect(seen[i].stars).toBeLessThanOrEqual(seen[i - 1].stars);
});

test('recommendations obey their filter, and rated movies come in when asked for', async () => {
  const { data } = await api.query(`{ user(userId: 2) {
    some: recommendations(first: 100, filter: { genresAll: ["Drama"], excludeMovieIds: [3, 4] }) { nodes { movie { movieId genres } } }
    all: recommendations(first: 100, filter: { includeRated: true }) { nodes { rank } }
  } }`);
  expect(data.user.some.nodes.length).toBeGreaterThan(0);
  for (const { movie } of data.user.some.nodes) {
    expect(movie.genres).toContain('Drama');
    expect([3, 4]).not.toContain(movie.movieId);
  }
  expect(data.user.all.nodes.length).toBe(80);
});

test('a predicted rating is the same by every way of asking, and stands beside the actual one', async () => {
  const { data } = await api.query(`{
    predictedRating(userId: 5, movieId: 1) { rating rawScore source actual model { version active } }
    user(userId: 5) { predictedRating(movieId: 1) { rating } recommendations(first: 100, filter: { includeRated: true }) { nodes { predictedRating movie { movieId } } } }
    movie(movieId: 1) { predictedRating(userId: 5) { rating } }
  }`);
  const { rating, source } = data.predictedRating;
  expect(source).toBe('MODEL');
  expect(rating).toBeGreaterThanOrEqual(0.5);
  expect(rating).toBeLessThanOrEqual(5);
  expect(data.user.predictedRating.rating).toBe(rating);
  expect(data.movie.predictedRating.rating).toBe(rating);
  const inList = data.user.recommendations.nodes.find(
    (node: { movie: { movieId: number } }) => node.movie.movieId === 1,
  );
  expect(inList.predictedRating).toBeCloseTo(rating, 4);
});

test('a user whom nobody knows gets an answer marked FALLBACK', async () => {
  const { data, errors } = await api.query(
    '{ predictedRating(userId: 987654, movieId: 1) { rating source actual user { userId ratingCount } } }',
  );
  expect(errors).toBeUndefined();
  expect(data.predictedRating).toMatchObject({
    source: 'FALLBACK',
    actual: null,
    user: { userId: 987654, ratingCount: 0 },
  });
});

test('a user who came after the training gets predictions and recommendations marked FALLBACK', async () => {
  const { data } = await api.query(`mutation { rateMovie(input: { userId: 5001, movieId: 1, rating: 5 }) {
    user { ratingCount predictedRating(movieId: 2) { source } recommendations(first: 100) { nodes { source movie { movieId } } } }
    userErrors { code } } }`);
  const { user, userErrors } = data.rateMovie;
  expect(userErrors).toEqual([]);
  expect(user.ratingCount).toBe(1);
  expect(user.predictedRating.source).toBe('FALLBACK');
  expect(user.recommendations.nodes.length).toBe(79);
  expect(new Set(user.recommendations.nodes.map((node: { source: string }) => node.source))).toEqual(
    new Set(['FALLBACK']),
  );
});

test('a movie that came after the training is recommended by fallback', async () => {
  await store.pool.query(`insert into movies (movie_id, idx, title) values (9001, 80, 'Brand New')`);
  const { data } = await api.query(`{
    predictedRating(userId: 3, movieId: 9001) { source rating movie { title } }
    user(userId: 3) { recommendations(first: 100) { nodes { source movie { movieId } } } }
  }`);
  await store.pool.query('delete from movies where movie_id = 9001');
  expect(data.predictedRating).toMatchObject({ source: 'FALLBACK', movie: { title: 'Brand New' } });
  const node = data.user.recommendations.nodes.find(
    (entry: { movie: { movieId: number } }) => entry.movie.movieId === 9001,
  );
  expect(node.source).toBe('FALLBACK');
});

test('asking for what does not exist gives null', async () => {
  const { data, errors } = await api.query(`{
    user(userId: 987654) { userId }
    movie(movieId: 987654) { title }
    predictedRating(userId: 1, movieId: 987654) { rating }
    node(id: "VXNlcjo5ODc2NTQ") { id }
  }`);
  expect(errors).toBeUndefined();
  expect(data).toEqual({ user: null, movie: null, predictedRating: null, node: null });
});

test('every id that is handed out finds its object again', async () => {
  const { data } = await api.query(`{
    user(userId: 1) { id } movie(movieId: 1) { id } activeModel { id run { id } } imports(first: 1) { nodes { id } }
  }`);
  const ids = [
    data.user.id,
    data.movie.id,
    data.activeModel.id,
    data.activeModel.run.id,
    data.imports.nodes[0].id,
  ];
  const found = await api.query('query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }', {
    ids: [...ids, 'nonsense'],
  });
  expect(found.data.nodes).toEqual([
    { __typename: 'User', id: ids[0] },
    { __typename: 'Movie', id: ids[1] },
    { __typename: 'Model', id: ids[2] },
    { __typename: 'TrainingRun', id: ids[3] },
    { __typename: 'Import', id: ids[4] },
    null,
  ]);
});

test('a rating that is given leaves the recommendations at once, and comes back when it is removed', async () => {
  const top =
    '{ user(userId: 7) { ratingCount recommendations(first: 1) { nodes { movie { movieId ratingCount } } } } }';
  const before = (await api.query(top)).data.user;
  const { movieId, ratingCount } = before.recommendations.nodes[0].movie;
  const rated = await api.query(
    `mutation ($movieId: Int!) { rateMovie(input: { userId: 7, movieId: $movieId, rating: 2.5 }) {
      rating { rating movie { ratingCount } } user { ratingCount recommendations(first: 1) { nodes { movie { movieId } } } } } }`,
    { movieId },
  );
  expect(rated.data.rateMovie.rating.movie.ratingCount).toBe(ratingCount + 1);
  expect(rated.data.rateMovie.user.ratingCount).toBe(before.ratingCount + 1);
  expect(rated.data.rateMovie.user.recommendations.nodes[0].movie.movieId).not.toBe(movieId);
  await api.query(
    'mutation ($movieId: Int!) { removeRating(input: { userId: 7, movieId: $movieId }) { rating { rating } } }',
    { movieId },
  );
  expect((await api.query(top)).data.user).toEqual(before);
});

test('a rating outside the scale, of an unknown movie, or of a user below 1 is refused as data', async () => {
  const rate =
    'mutation ($input: RateMovieInput!) { rateMovie(input: $input) { rating { rating } userErrors { field code message } } }';
  const refusals = await Promise.all([
    api.query(rate, { input: { userId: 1, movieId: 1, rating: 5.5 } }),
    api.query(rate, { input: { userId: 1, movieId: 987654, rating: 4 } }),
    api.query(rate, { input: { userId: 0, movieId: 1, rating: 4 } }),
  ]);
  expect(
    refusals.map(({ data }) => [
      data.rateMovie.rating,
      data.rateMovie.userErrors[0].code,
      data.rateMovie.userErrors[0].field,
    ]),
  ).toEqual([
    [null, 'RATING_OUT_OF_RANGE', ['input', 'rating']],
    [null, 'MOVIE_NOT_FOUND', ['input', 'movieId']],
    [null, 'BAD_INPUT', ['input', 'userId']],
  ]);
});

test('many ratings of one movie at the same time leave exact statistics', async () => {
  const users = Array.from({ length: 20 }, (_, i) => 6000 + i);
  await Promise.all(
    users.map((userId) =>
      api.query(
        `mutation { rateMovie(input: { userId: ${userId}, movieId: 80, rating: 4 }) { userErrors { code } } }`,
      ),
    ),
  );
  const { rows } = await store.pool.query(`
    select rating_count = (select count(*) from ratings where movie_id = 80) as count_is_right,
      mean_rating = (select avg(rating) from ratings where movie_id = 80) as mean_is_right,
      (select count(distinct idx) = max(idx) + 1 from users) as idx_is_dense
    from movies where movie_id = 80`);
  expect(rows).toEqual([{ count_is_right: true, mean_is_right: true, idx_is_dense: true }]);
});

test('an error says which field of the query it is about', async () => {
  const { errors } = await api.query(
    '{ fine: movie(movieId: 1) { title } wrong: predictedRating(userId: -1, movieId: 1) { rating } }',
  );
  expect(errors).toEqual([
    expect.objectContaining({
      path: ['wrong'],
      locations: [{ line: 1, column: 37 }],
      extensions: expect.objectContaining({ code: 'BAD_INPUT' }),
    }),
  ]);
});

test('several models answer in one request, more than are kept open', async () => {
  const ids = [];
  for (const seed of [2, 3, 4]) await train(store, aRunRequest({ seed, promote: false }));
  for (const model of (await api.query('{ models(first: 10) { nodes { id } } }')).data.models.nodes)
    ids.push(model.id);
  const fields = ids.map(
    (id, i) => `p${i}: predictedRating(userId: 1, movieId: 1, modelId: "${id}") { rating source }`,
  );
  const answers = await Promise.all([1, 2, 3].map(() => api.query(`{ ${fields.join(' ')} }`)));
  for (const { data, errors } of answers) {
    expect(errors).toBeUndefined();
    expect(new Set(Object.values(data).map((value) => (value as { rating: number }).rating)).size).toBe(
      ids.length,
    );
  }
});

test('a prediction whose model cannot be opened is an error that says why, not a prediction without a rating', async () => {
  await train(store, aRunRequest({ seed: 5, promote: false }));
  const [{ id }] = (await api.query('{ models(first: 1) { nodes { id } } }')).data.models.nodes;
  const ask = (argument: string) =>
    api.query(`{ predictedRating(userId: 1, movieId: 1${argument}) { rating } }`);
  // Connections that are there are used on.
  await Promise.all([ask(''), ask(''), ask('')]);
  const admin = new StatementPool({ connectionString: process.env.TEST_DATABASE_ADMIN_URL, max: 1 });
  const allowMore = (isAllowed: boolean) =>
    admin.query(`alter database ${new URL(store.url).pathname.slice(1)} allow_connections ${isAllowed}`);
  await allowMore(false);
  const refused = await ask(`, modelId: "${id}"`);
  await allowMore(true);
  await admin.end();
  expect(refused.data).toEqual({ predictedRating: null });
  expect(refused.errors).toEqual([
    expect.objectContaining({
      path: ['predictedRating'],
      message: expect.stringContaining('is not currently accepting connections'),
      extensions: expect.objectContaining({ code: 'DATABASE_UNREACHABLE' }),
    }),
  ]);
  expect((await ask(`, modelId: "${id}"`)).data.predictedRating.rating).toBeGreaterThan(0);
});

test('an empty search and empty lists filter nothing', async () => {
  const { data } = await api.query(
    '{ movies(first: 1, filter: { search: "", genresAny: [], genresAll: [] }) { totalCount } }',
  );
  expect(data.movies.totalCount).toBe(80);
});

test('a text or a list of genres longer than any movie has is refused before every title is compared with it', async () => {
  const query = `query ($s: String, $g: [String!]) {
    movies(first: 1, filter: { search: $s, genresAny: $g }) { totalCount } }`;
  const genres = Array.from({ length: 101 }, (_, i) => `Genre ${i}`);
  const answers = [
    await api.query(query, { s: 'x'.repeat(201) }),
    await api.query(query, { g: genres }),
    await api.query(query.replace('genresAny', 'genresAll'), { g: genres }),
  ];
  expect(answers.map(({ errors }) => [errors![0].message, errors![0].extensions.code])).toEqual([
    ['search has 201 characters: expected at most 200', 'BAD_INPUT'],
    ['genresAny has 101 genres: expected at most 100', 'BAD_INPUT'],
    ['genresAll has 101 genres: expected at most 100', 'BAD_INPUT'],
  ]);
});

test('a NUL in a text is refused as bad input', async () => {
  const search = await api.query(
    'query ($s: String) { movies(first: 1, filter: { search: $s }) { totalCount } }',
    { s: 'a\u0000b' },
  );
  const key = await api.query(
    'mutation ($k: String) { startTrainingRun(input: { idempotencyKey: $k }) { trainingRun { id } } }',
    { k: 'a\u0000b' },
  );
  expect([search, key].map(({ errors }) => errors![0].extensions.code)).toEqual(['BAD_INPUT', 'BAD_INPUT']);
});

test('a key that no index can hold is refused as data by all that take one', async () => {
  const { data } = await api.query(
    `mutation ($k: String) {
      run: startTrainingRun(input: { idempotencyKey: $k }) { userErrors { field code } }
      scoring: startBatchScoring(input: { idempotencyKey: $k }) { userErrors { field code } }
      search: startSearch(input: { idempotencyKey: $k, space: [{ name: "momentum", min: 0.1, max: 0.2 }] }) { userErrors { field code } }
    }`,
    { k: 'k'.repeat(201) },
  );
  const refused = { userErrors: [{ field: ['input', 'idempotencyKey'], code: 'BAD_INPUT' }] };
  expect(data).toEqual({ run: refused, scoring: refused, search: refused });
});

test('two writes in one request each answer with the state after them', async () => {
  const { data } = await api.query(`mutation {
    a: rateMovie(input: { userId: 7001, movieId: 3, rating: 4 }) { user { ratingCount ratings(first: 9) { nodes { rating } } } }
    b: rateMovie(input: { userId: 7001, movieId: 4, rating: 5 }) { user { ratingCount meanRating ratings(first: 9) { nodes { rating } } } }
  }`);
  expect(data.a.user).toEqual({ ratingCount: 1, ratings: { nodes: [{ rating: 4 }] } });
  expect(data.b.user).toEqual({
    ratingCount: 2,
    meanRating: 4.5,
    ratings: { nodes: [{ rating: 4 }, { rating: 5 }] },
  });
});

test('a query for too many rows is refused before it runs, also through fragments and variables', async () => {
  const nested =
    '{ users(first: 100) { nodes { ratings(first: 100) { nodes { movie { ratings(first: 100) { nodes { rating } } } } } } } }';
  const viaFragment = `query ($n: Int!) { users(first: $n) { nodes { ...R } } }
    fragment R on User { ratings(first: $n) { nodes { movie { ratings(first: $n) { nodes { rating } } } } } }`;
  const answers = [await api.query(nested), await api.query(viaFragment, { n: 100 })];
  expect(answers.map(({ errors }) => [errors![0].message, errors![0].extensions.code])).toEqual([
    ['the query asks for 1010100 rows: expected 25000 at most', 'QUERY_TOO_LARGE'],
    ['the query asks for 1010100 rows: expected 25000 at most', 'QUERY_TOO_LARGE'],
  ]);
  const { errors } = await api.query(
    '{ users(first: 100) { nodes { ratings(first: 100) { nodes { rating } } } } }',
  );
  expect(errors).toBeUndefined();
});

test('a size that a query gives as the default of a variable counts, too', async () => {
  const nested = `query ($n: Int! = 100) { users(first: $n) { nodes { ratings(first: $n) { nodes { movie {
    ratings(first: $n) { nodes { rating } } } } } } } }`;
  expect((await api.query(nested)).errors![0].extensions.code).toBe('QUERY_TOO_LARGE');
  expect((await api.query(nested, { n: 10 })).errors).toBeUndefined();
});

test('each of the ids of a query counts, too', async () => {
  const query = `query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Movie { ratings(first: 100) { nodes { user {
    ratings(first: 100) { nodes { rating } } } } } } } }`;
  const ids = Array.from({ length: 100 }, () => 'VXNlcjox');
  expect((await api.query(query, { ids })).errors![0].extensions.code).toBe('QUERY_TOO_LARGE');
  expect((await api.query(query, { ids: ids.slice(0, 2) })).errors).toBeUndefined();
});

test('a document that does not say which of its operations is meant is refused as a mistake of the client', async () => {
  const { errors } = await api.query('query A { __typename } query B { __typename }');
  expect(errors![0].extensions.code).toBe('OPERATION_RESOLUTION_FAILURE');
});

test('a subscription by POST is told to come by WebSocket', async () => {
  const { errors } = await api.query('subscription { trainingRunProgress(runId: "x") { status } }');
  expect(errors![0].message).toContain('WebSocket');
  expect(errors![0].extensions.code).toBe('BAD_INPUT');
});

test('an unknown field is refused with a suggestion', async () => {
  const { errors } = await api.query('{ movie(movieId: 1) { titel } }');
  expect(errors![0].message).toContain('Did you mean "title"?');
});

test('health, dashboard and explorer answer from this server alone', async () => {
  expect(await (await fetch(`${api.url}/health/live`)).json()).toEqual({ status: 'live' });
  expect(await (await fetch(`${api.url}/health/ready`)).json()).toEqual({ status: 'ready' });
  const explorer = await (await fetch(`${api.url}/explorer`)).text();
  expect(await (await fetch(`${api.url}/explorer/`)).text()).toBe(explorer);
  expect(explorer).toContain('query Recommendations');
  expect(explorer).not.toContain('unpkg');
  const [script] = /\/explorer\/static\/[^"]+\.js/.exec(explorer)!;
  expect((await fetch(api.url + script)).status).toBe(200);
  expect(await (await fetch(`${api.url}/`)).text()).toContain('<title>Marquee');
});

async function walk(list: string, args: string, field: string): Promise<number[]> {
  const rows: number[] = [];
  for (let after = '', more = true; more; ) {
    const { data } = await api.query(
      `{ ${list}(${args} ${after && `, after: "${after}"`}) { nodes { ${field} } pageInfo { hasNextPage endCursor } } }`,
    );
    rows.push(...data[list].nodes.map((node: Record<string, number>) => node[field]));
    [after, more] = [data[list].pageInfo.endCursor, data[list].pageInfo.hasNextPage];
  }
  return rows;
}
