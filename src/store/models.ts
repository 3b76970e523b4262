// The models: their parameters as chunks of bytes in Postgres, so that any replica can load any of them.
// Which one is active is set in promotion.ts.

import assert from 'node:assert/strict';
import type pg from 'pg';
import { AppError } from '../errors.js';
import type { Model } from './prisma/client.js';
import type { Store } from './store.js';
import { insertArrays, type NamedArray, readArrays } from './tensors.js';

/** Advisory lock of version numbers and of the active mark. */
export const MODEL_LOCK = 7_267_802;

/** How many training ratings each user and movie had: 0 means that the model has never seen it. */
const USER_COUNTS = 'user_rating_counts';
const MOVIE_COUNTS = 'movie_rating_counts';

/** Parts and sizes of the model, as recorded with it. */
export interface ModelSizes {
  users: number;
  movies: number;
  embeddingWidth: number;
  hiddenLayers: readonly number[];
  /** Absent in models from before there was a choice: none. */
  biases?: boolean;
  dotProduct?: boolean;
}

export type StoredTensor = NamedArray<Float32Array>;

export interface ModelContent {
  shape: ModelSizes;
  /** In the order in which they were stored. */
  parameters: readonly StoredTensor[];
  /** Added to the network's output. */
  ratingMean: number;
  userRatingCounts: Int32Array;
  movieRatingCounts: Int32Array;
  /** The ratings as of then were its training and test ratings. */
  ratingsReadAt: Date;
  /** How sure the parameters are, and what a user who comes later is expected to be like; null where training does not tell. */
  posterior: readonly StoredTensor[] | null;
  /** What it can tell of a movie that has no ratings yet (store/attributes.ts); none: nothing. */
  movieAttributes: readonly string[];
}

/** Names of the posterior's tensors begin with this. */
const POSTERIOR = 'posterior_';

/** Inside the caller's transaction, so that a model appears together with its run's result. */
export async function insertModel(
  client: pg.PoolClient,
  runId: number,
  content: ModelContent,
): Promise<number> {
  await client.query('select pg_advisory_xact_lock($1)', [MODEL_LOCK]);
  const { shape, parameters, ratingMean } = content;
  const count = countOf(parameters);
  const posterior = (content.posterior ?? []).map((tensor) => ({ ...tensor, name: POSTERIOR + tensor.name }));
  const { rows } = await client.query(
    `insert into models (version, run_id, shape, users, movies, parameters, bytes, rating_mean, ratings_read_at, movie_attributes)
     select coalesce(max(version), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8, $9 from models
     returning id`,
    [
      ...[runId, JSON.stringify(shape), shape.users, shape.movies, count],
      ...[(count + countOf(posterior)) * 4, ratingMean, content.ratingsReadAt, content.movieAttributes],
    ],
  );
  const modelId: number = rows[0].id;
  const counts = [
    { name: USER_COUNTS, shape: [shape.users], values: content.userRatingCounts },
    { name: MOVIE_COUNTS, shape: [shape.movies], values: content.movieRatingCounts },
  ];
  await insertArrays(client, 'model_tensors', { model_id: modelId }, [
    ...parameters,
    ...counts,
    ...posterior,
  ]);
  return modelId;
}

function countOf(tensors: readonly StoredTensor[]): number {
  return tensors.reduce((sum, tensor) => sum + tensor.values.length, 0);
}

/** @throws AppError MODEL_NOT_FOUND */
export async function loadModel(store: Store, modelId: number): Promise<ModelContent> {
  const model = await getModel(store, modelId);
  const arrays = await readArrays(store.pool, 'model_tensors', { model_id: modelId });
  const tensors = arrays.filter((array): array is StoredTensor => array.values instanceof Float32Array);
  const parameters = tensors.filter(({ name }) => !name.startsWith(POSTERIOR));
  const posterior = tensors
    .filter(({ name }) => name.startsWith(POSTERIOR))
    .map((tensor) => ({ ...tensor, name: tensor.name.slice(POSTERIOR.length) }));
  const countsOf = (name: string) => {
    const values = arrays.find((array) => array.name === name)?.values;
    assert(values instanceof Int32Array, `model ${modelId} has ${name}`);
    return values;
  };
  const shape = model.shape as unknown as ModelSizes;
  return {
    ...{ shape, parameters, ratingMean: model.ratingMean },
    userRatingCounts: countsOf(USER_COUNTS),
    movieRatingCounts: countsOf(MOVIE_COUNTS),
    ratingsReadAt: model.ratingsReadAt,
    posterior: posterior.length > 0 ? posterior : null,
    movieAttributes: model.movieAttributes,
  };
}

export async function findModel(store: Store, id: number): Promise<Model | null> {
  return store.prisma.model.findUnique({ where: { id } });
}

/** One entry for each id, null where there is no such model. */
export async function findModels(store: Store, ids: readonly number[]): Promise<(Model | null)[]> {
  const rows = await store.prisma.model.findMany({ where: { id: { in: [...ids] } } });
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => byId.get(id) ?? null);
}

/** @throws AppError MODEL_NOT_FOUND */
export async function getModel(store: Store, id: number): Promise<Model> {
  const model = await findModel(store, id);
  if (!model) throw modelNotFound(id);
  return model;
}

export function modelNotFound(id: number): AppError {
  return new AppError('MODEL_NOT_FOUND', `no model ${id}`, { argumentPath: ['modelId'] });
}

/** @throws AppError MODEL_NOT_FOUND */
export async function getModelOfVersion(store: Store, version: number): Promise<Model> {
  const model = await store.prisma.model.findUnique({ where: { version } });
  if (!model) throw new AppError('MODEL_NOT_FOUND', `no model of version ${version}`);
  return model;
}

export async function findActiveModel(store: Store): Promise<Model | null> {
  return store.prisma.model.findUnique({ where: { active: true } });
}

/** @throws AppError NO_ACTIVE_MODEL */
export async function getActiveModel(store: Store): Promise<Model> {
  const model = await findActiveModel(store);
  if (!model) throw noActiveModel();
  return model;
}

export function noActiveModel(): AppError {
  return new AppError('NO_ACTIVE_MODEL', 'no model has been promoted yet');
}

/** Newest first; `before` is a model's id or null. */
export async function listModels(store: Store, first: number, before: number | null): Promise<Model[]> {
  return store.prisma.model.findMany({
    where: before === null ? {} : { id: { lt: before } },
    orderBy: { id: 'desc' },
    take: first,
  });
}
