// What is known of movies and users beside ratings, as attributes: "genre:Comedy", "decade:1990"; "gender:F", "age:25", "occupation:writer".
// One list of them for training, cross-validation and serving, so that a model meets later what it was trained with.

import type pg from 'pg';

export type MovieDetails = { year: number | null; genres: readonly string[] };
export type UserDetails = { gender: string | null; age: number | null; occupation: string | null };

/** Of one side. Attribute f is had by the rows holders[starts[f]] to holders[starts[f + 1]]. */
export interface AttributeTable {
  /** By attribute, in order. */
  labels: readonly string[];
  starts: Int32Array;
  holders: Int32Array;
}

export interface AttributeTables {
  user: AttributeTable;
  movie: AttributeTable;
}

/** The lowest ages of groups: those that ml-1m has instead of ages, so that both come to the same. */
const AGE_GROUPS = [1, 18, 25, 35, 45, 50, 56];

export function movieLabels({ year, genres }: MovieDetails): string[] {
  const decade = year === null ? [] : [`decade:${Math.floor(year / 10) * 10}`];
  return [...new Set(genres.map((genre) => `genre:${genre}`)), ...decade];
}

export function userLabels({ gender, age, occupation }: UserDetails): string[] {
  const group = age === null ? null : (AGE_GROUPS.findLast((lowest) => lowest <= age) ?? AGE_GROUPS[0]);
  return [
    ...(gender === null ? [] : [`gender:${gender}`]),
    ...(group === null ? [] : [`age:${group}`]),
    ...(occupation === null ? [] : [`occupation:${occupation}`]),
  ];
}

/** The same table whatever the order of the rows. */
export function tabulate(rows: Iterable<readonly [row: number, labels: readonly string[]]>): AttributeTable {
  const byLabel = new Map<string, number[]>();
  for (const [row, labels] of rows) {
    for (const label of labels) {
      const holders = byLabel.get(label);
      if (holders) holders.push(row);
      else byLabel.set(label, [row]);
    }
  }
  const labels = [...byLabel.keys()].sort();
  const starts = new Int32Array(labels.length + 1);
  for (const [f, label] of labels.entries()) starts[f + 1] = starts[f] + byLabel.get(label)!.length;
  const holders = new Int32Array(starts[labels.length]);
  for (const [f, label] of labels.entries())
    holders.set(
      byLabel.get(label)!.sort((a, b) => a - b),
      starts[f],
    );
  return { labels, starts, holders };
}

/** Rows are those of the embeddings. In the transaction of `client`. */
export async function readAttributes(client: pg.PoolClient): Promise<AttributeTables> {
  const movies = await client.query<MovieDetails & { idx: number }>('select idx, year, genres from movies');
  const users = await client.query<UserDetails & { idx: number }>(
    `select idx, gender, age, occupation
     from users
     where gender is not null or age is not null or occupation is not null`,
  );
  return {
    user: tabulate(users.rows.map((user) => [user.idx, userLabels(user)])),
    movie: tabulate(movies.rows.map((movie) => [movie.idx, movieLabels(movie)])),
  };
}
