// Rankings, held to a full sort of every score: those of the engine for what the model knows, fallbacks for the rest.

import type { Scorer } from '#src/engines/engine.js';
import { openEngine } from '#src/engines/open.js';
import { fallbackRating } from '#src/scoring/fallback.js';
import type { RecommendationRequest } from '#src/scoring/modelRanking.js';
import type { Suggestion } from '#src/scoring/recommend.js';
import { createRecommender, type Recommender } from '#src/scoring/recommender.js';
import { findActiveModel, loadModel, type ModelContent } from '#src/store/models.js';
import { filterMovieIndices } from '#src/store/movies.js';
import { ratedMovieIndices } from '#src/store/ratings.js';
import { movieStatistics } from '#src/store/statistics.js';
import { findUsers, type UserRow } from '#src/store/users.js';
import { importSynthetic, openTestStore, type TestStore, train } from './support/store.js';

const SETTINGS = { threads: 2 };
/** Rows of movies that the model has never seen: one was in the store without ratings, one came after the training. */
const [UNRATED, NEW] = [4, 80];

let store: TestStore;
let recommender: Recommender;
let modelId: number;
let model: ModelContent;
let scorer: Scorer;
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
  await store.pool.query(
    'delete from ratings using movies where ratings.movie_id = movies.movie_id and idx = 4',
  );
  await train(store);
  await store.pool.query(
    `insert into movies (movie_id, idx, title, genres, rating_count, mean_rating)
     values (9001, 80, 'Brand New', '{Drama}', 12, 4.5)`,
  );
  modelId = (await findActiveModel(store))!.id;
  model = await loadModel(store, modelId);
  scorer = await (await openEngine('auto', SETTINGS)).openScorer(model.shape, model.parameters);
  recommender = createRecommender(store, SETTINGS);
});
afterAll(async () => {
  await recommender.close();
  await scorer.close();
  await store.drop();
});

async function aUser(userId: number): Promise<UserRow> {
  return (await findUsers(store, [userId]))[0]!;
}

/** Of a user who came after the training. */
function aNewUser(): UserRow {
  const untold = { gender: null, age: null, occupation: null, zipCode: null, ratingsChangedAt: null };
  return { userId: 5001, idx: 120, ratingCount: 3, meanRating: 4, ...untold };
}

/** All of a user's recommendations, unless changed. */
function aRequest(user: UserRow, changes: Partial<RecommendationRequest> = {}): RecommendationRequest {
  return {
    ...{ user, filter: null, excludeMovieIndices: [], includeRated: false, first: 100, after: null },
    ...{ order: 'EXPECTED_RATING', seed: 0 },
    ...changes,
  };
}

async function recommend(request: RecommendationRequest): Promise<Suggestion[]> {
  return (await recommender.recommend(modelId, [request]))[0];
}

interface Listed {
  movieIndex: number;
  rawScore: number;
  source: string;
}

function listOf(suggestions: Suggestion[]): Listed[] {
  return suggestions.map(({ movieIndex, rawScore, source }) => ({ movieIndex, rawScore, source }));
}

/** What is right: every movie of the store scored, and sorted as a whole. */
async function fullSort(request: RecommendationRequest): Promise<Listed[]> {
  const { user, filter, excludeMovieIndices, includeRated } = request;
  const isKnownUser = model.userRatingCounts[user.idx] > 0;
  const outputs = isKnownUser ? await scorer.scoreMovies(Int32Array.of(user.idx)) : [];
  const [rated] = await ratedMovieIndices(store, [user.userId]);
  const passing = new Set(await filterMovieIndices(store, filter ?? {}));
  const leftOut = new Set([...excludeMovieIndices, ...(includeRated ? [] : rated)]);
  const movies = [...(await movieStatistics(store, [], 0))];
  return movies
    .filter(([index]) => passing.has(index) && !leftOut.has(index))
    .map(([movieIndex, statistics]) => {
      const isKnown = isKnownUser && model.movieRatingCounts[movieIndex] > 0;
      const rawScore = isKnown
        ? outputs[movieIndex] + model.ratingMean
        : fallbackRating(model.ratingMean, user, statistics);
      return { movieIndex, rawScore: Math.fround(rawScore), source: isKnown ? 'MODEL' : 'FALLBACK' };
    })
    .sort((a, z) => z.rawScore - a.rawScore || a.movieIndex - z.movieIndex);
}

test('all recommendations of a user are all movies that they have not rated, in the order of a full sort', async () => {
  for (const userId of [1, 2, 3]) {
    const request = aRequest(await aUser(userId));
    expect(listOf(await recommend(request))).toEqual(await fullSort(request));
  }
});

test('movies that the model has never seen take their places by fallback', async () => {
  const suggestions = await recommend(aRequest(await aUser(1)));
  const fallbacks = suggestions.filter(({ source }) => source === 'FALLBACK');
  expect(fallbacks.map(({ movieIndex }) => movieIndex).sort((a, z) => a - z)).toEqual([UNRATED, NEW]);
});

test('page by page comes what comes at once, fallbacks included', async () => {
  const request = aRequest(await aUser(2), { includeRated: true });
  const whole = await recommend(request);
  const walked: Suggestion[] = [];
  for (let page: Suggestion[] | null = null; page === null || page.length > 0; walked.push(...page)) {
    const last = walked.at(-1);
    const after = last ? { score: last.rawScore, index: last.movieIndex } : null;
    page = await recommend({ ...request, first: 7, after });
  }
  expect(whole.length).toBe(81);
  expect(walked).toEqual(whole);
});

test('filter, excluded and rated movies leave the ranking of the others as it is', async () => {
  const user = await aUser(3);
  for (const changes of [
    { filter: { genresAny: ['Drama'] } },
    { filter: { minRatingCount: 30 }, includeRated: true },
    { excludeMovieIndices: [0, 31, 32, NEW, 5000] },
    { filter: { search: 'no such title' } },
    { filter: { genresAny: ['Drama'] }, excludeMovieIndices: [UNRATED], includeRated: true, first: 5 },
  ]) {
    const request = aRequest(user, changes);
    const expected = (await fullSort(request)).slice(0, request.first);
    expect(listOf(await recommend(request))).toEqual(expected);
  }
});

test('a user whom the model has never seen gets fallbacks alone, filtered and paged alike', async () => {
  const request = aRequest(aNewUser(), { filter: { yearFrom: 1970 }, excludeMovieIndices: [7] });
  const expected = await fullSort(request);
  expect(listOf(await recommend(request))).toEqual(expected);
  const { rawScore: score, movieIndex: index } = expected[9];
  const page = await recommend({ ...request, first: 4, after: { score, index } });
  expect(listOf(page)).toEqual(expected.slice(10, 14));
  expect(new Set(expected.map(({ source }) => source))).toEqual(new Set(['FALLBACK']));
});

test('requests that are answered together are answered as alone, each with its own filter, page and length', async () => {
  const [one, two] = [await aUser(1), await aUser(2)];
  const drama = { genresAny: ['Drama'] };
  const requests = [
    aRequest(one, { first: 3 }),
    aRequest(aNewUser(), { first: 8 }),
    aRequest(two, { filter: drama, first: 20 }),
    aRequest(one, { filter: drama, includeRated: true, first: 1 }),
    aRequest(one, { first: 5, after: { score: 3.5, index: 11 } }),
  ];
  const together = await recommender.recommend(modelId, requests);
  const alone = [];
  for (const request of requests) alone.push(await recommend(request));
  expect(together).toEqual(alone);
  expect(together.map((list) => list.length)).toEqual([3, 8, together[2].length, 1, 5]);
});
