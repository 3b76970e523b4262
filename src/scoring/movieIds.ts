// Movie ids by row of the embedding and back, for all shards of a worker: read once, and again when a movie turns up that was added since.

import { movieIdsByIndex } from '../store/movies.js';
import type { Store } from '../store/store.js';

export interface MovieIds {
  /** The ids of all rows, or at least of those before `end`. */
  byIndex(end: number): Promise<Int32Array>;
  indicesOf(movieIds: Int32Array): Promise<Int32Array>;
}

export function openMovieIds(store: Store): MovieIds {
  let ids: Int32Array = new Int32Array(0);
  let indices = new Map<number, number>();
  const read = async () => {
    ids = await movieIdsByIndex(store);
    indices = new Map(Array.from(ids, (id, index) => [id, index]));
  };
  const look = (movieIds: Int32Array) => movieIds.map((id) => indices.get(id) ?? -1);
  return {
    async byIndex(end) {
      if (end > ids.length) await read();
      return ids;
    },
    async indicesOf(movieIds) {
      const found = look(movieIds);
      if (!found.includes(-1)) return found;
      await read();
      return look(movieIds);
    },
  };
}
