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

export function moviesAt(movies: number, indices: Iterable<number>): Bitmap {
  const bitmap = noMovies(movies);
  for (const index of indices) if (index < movies) bitmap[index >>> 5] |= 1 << (index & 31);
  return bitmap;
}

/** Keeps in `bitmap` what is in `other`, too; words that `other` lacks become 0. Gives `bitmap`. */
export function keepCommon(bitmap: Bitmap, other: Bitmap): Bitmap {
  for (let word = 0; word < bitmap.length; word++) bitmap[word] &= other[word] ?? 0;
  return bitmap;
}

export function removeMovies(bitmap: Bitmap, indices: Iterable<number>): void {
  for (const index of indices) bitmap[index >>> 5] &= ~(1 << (index & 31));
}

export function hasMovie(bitmap: Uint32Array, index: number): boolean {
  return ((bitmap[index >>> 5] >>> (index & 31)) & 1) === 1;
}
