// All ratings → typed arrays, through a server-side cursor in one snapshot: whatever is written meanwhile is not seen.
// No row objects; 12 bytes a rating. Ordered by user and movie, so that the same ratings always give the same arrays.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readPortal } from './portal.js';
import { readScale } from './ratingScale.js';
import type { RatingScale } from './scale.js';
import { inTransaction, type Store } from './store.js';

const SNAPSHOT = 'begin isolation level repeatable read read only';

export interface RatingTable {
  /** Rows of the embeddings, one for each rating. */
  userIndices: Int32Array;
  movieIndices: Int32Array;
  /** In stars. */
  ratings: Float32Array;
  /** The data set's own numbers by index: userIds[userIndices[i]] rated movieIds[movieIndices[i]]. */
  userIds: Int32Array;
  movieIds: Int32Array;
  scale: RatingScale;
  /** Time of the newest rating, where ratings carry times. */
  latestRatedAt: Date | null;
  /** SHA-256 over user ids, movie ids and ratings in order. */
  checksum: string;
}

export interface ReadOptions {
  onProgress?: (rows: number, total: number) => void;
  signal?: AbortSignal;
}

export async function readRatings(store: Store, options: ReadOptions = {}): Promise<RatingTable> {
  return inTransaction(
    store.pool,
    async (client) => {
      const { rows } = await client.query(
        `select count(*)::int as total, max(rated_at) as latest,
           (select array_agg(user_id order by idx) from users) as user_ids,
           (select array_agg(movie_id order by idx) from movies) as movie_ids
         from ratings`,
      );
      const { total, latest, user_ids, movie_ids } = rows[0];
      const pairs = {
        userIds: new Int32Array(total),
        movieIds: new Int32Array(total),
        ratings: new Float32Array(total),
      };
      await readPairs(client, pairs, options);
      const userIds = Int32Array.from(user_ids ?? []);
      const movieIds = Int32Array.from(movie_ids ?? []);
      const scale = await readScale(client);
      const checksum = checksumOf(pairs);
      return {
        userIndices: toIndices('user', pairs.userIds, userIds),
        movieIndices: toIndices('movie', pairs.movieIds, movieIds),
        ratings: pairs.ratings,
        userIds,
        movieIds,
        scale,
        latestRatedAt: latest,
        checksum,
      };
    },
    SNAPSHOT,
  );
}

interface Pairs {
  userIds: Int32Array;
  movieIds: Int32Array;
  ratings: Float32Array;
}

async function readPairs(
  client: Parameters<typeof readPortal>[0],
  { userIds, movieIds, ratings }: Pairs,
  { onProgress, signal }: ReadOptions,
): Promise<void> {
  let row = 0;
  // The bits of a float4 are stored as they come.
  const ratingBits = new Int32Array(ratings.buffer);
  await readPortal(client, 'select user_id, movie_id, rating from ratings order by user_id, movie_id', {
    onRow(bytes, at) {
      userIds[row] = bytes.readInt32BE(at + 4);
      movieIds[row] = bytes.readInt32BE(at + 12);
      ratingBits[row++] = bytes.readInt32BE(at + 20);
    },
    onBatch: () => onProgress?.(row, userIds.length),
    signal,
  });
  onProgress?.(row, userIds.length);
}

function checksumOf({ userIds, movieIds, ratings }: Pairs): string {
  const hash = createHash('sha256');
  for (const values of [userIds, movieIds, ratings]) {
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest('hex');
}

/** Replaces ids by their places in `byIndex`, in place. */
function toIndices(kind: 'user' | 'movie', ids: Int32Array, byIndex: Int32Array): Int32Array {
  const indexOf = new Map<number, number>();
  for (const [index, id] of byIndex.entries()) indexOf.set(id, index);
  let [lastId, lastIndex] = [-1, -1];
  for (let i = 0; i < ids.length; i++) {
    // Ratings come ordered by user, so most look-ups repeat the last one.
    if (ids[i] !== lastId) {
      lastId = ids[i];
      const index = indexOf.get(lastId);
      assert(index !== undefined, `${kind} ${lastId} has ratings but no row in ${kind}s`);
      lastIndex = index;
    }
    ids[i] = lastIndex;
  }
  return ids;
}
