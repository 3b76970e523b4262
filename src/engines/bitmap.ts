// Sets of movies as bits: bit m & 31 of word m >> 5 stands for movie m, as `TopMoviesRequest.allowed` has it.
// Bits past the last movie are 0. Indices that a bitmap has no word for are left out: it has no such movie.

export type Bitmap = Uint32Array<ArrayBuffer>;

export function wordsOf(movies: number): number {
  return (movies + 31) >>> 5;
}

export function noMovies(movies: number): Bitmap {
  return new Uint32Array(wordsOf(movies));
}

export function allMovies(movies: number): Bitmap {
  const bitmap = noMovies(movies).fill(0xffff_ffff);
  if ((movies & 31) !== 0) bitmap[bitmap.length - 1] = 2 ** (movies & 31) - 1;
  return bitmap;
}

/** n bitmaps of all movies, one after the other in one piece of memory: batch scoring asks for many. */
export function allMoviesTimes(movies: number, n: number): { bits: Bitmap; rows: Bitmap[] } {
  const all = allMovies(movies);
  const bits = new Uint32Array(n * all.length);
  const rows = Array.from({ length: n }, (_, i) => bits.subarray(i * all.length, (i + 1) * all.length));
  for (const row of rows) row.set(all);
  return { bits, rows };
}

export function moviesAt(movies: number, indices: Iterable<number>): Bitmap {
  const bitmap = noMovies(movies);
  for (const index of indices) if (index < movies) bitmap[index >>> 5] |= 1 << (index & 31);
  return bitmap;
}

/** Keeps in `bitmap` what is in `other`, too; words that `other` lacks become 0. Gives `bitmap`. */
export function keepCommon(bitmap: Bitmap, other: Bitmap): Bitmap {
  const common = Math.min(bitmap.length, other.length);
  for (let word = 0; word < common; word++) bitmap[word] &= other[word];
  return bitmap.fill(0, common);
}

export function removeMovies(bitmap: Bitmap, indices: ArrayLike<number>): void {
  for (let i = 0; i < indices.length; i++) bitmap[indices[i] >>> 5] &= ~(1 << (indices[i] & 31));
}

export function hasMovie(bitmap: Uint32Array, index: number): boolean {
  return ((bitmap[index >>> 5] >>> (index & 31)) & 1) === 1;
}
