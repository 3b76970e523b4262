// The statements that every import runs, in their order. Apart from ratingImport.ts so that each can be read as SQL; how
// ratings get into their table is in ratingMerge.ts and ratingFill.ts.

import { NEXT_USER_IDX } from './users.js';

export const CREATE_STAGING = `
  create temp table staging_movies (
    movie_id int not null, title text not null, year int, genres text[] not null, line int not null
  ) on commit drop;
  create temp table staging_links (
    movie_id int not null, imdb_id int, tmdb_id int, line int not null
  ) on commit drop;
  create temp table staging_users (
    user_id int not null, gender text, age int, occupation text, zip_code text, line int not null
  ) on commit drop`;

export const STAGE_MOVIES = `
  insert into staging_movies (movie_id, title, year, genres, line)
  select movie_id, title, year, case when genres = '' then '{}' else string_to_array(genres, '|') end, line
  from unnest($1::int[], $2::text[], $3::int[], $4::text[], $5::int[]) as movie (movie_id, title, year, genres, line)`;

export const STAGE_LINKS = `
  insert into staging_links (movie_id, imdb_id, tmdb_id, line)
  select * from unnest($1::int[], $2::int[], $3::int[], $4::int[])`;

export const STAGE_USERS = `
  insert into staging_users (user_id, gender, age, occupation, zip_code, line)
  select * from unnest($1::int[], $2::text[], $3::int[], $4::text[], $5::text[], $6::int[])`;

// Temporary tables are never analysed on their own, and the merge is planned on their sizes.
export const ANALYZE_STAGING = 'analyze staging_movies, staging_links, staging_users';

// Writers of single ratings wait for the merge, so that statistics and idx stay exact; readers do not.
export const LOCK_RATINGS = 'lock table ratings in share row exclusive mode';

export const MERGE_USERS = `
  insert into users (user_id, idx, rating_count, mean_rating)
  select user_id, ${NEXT_USER_IDX} - 1 + row_number() over (order by user_id), added, total / added
  from user_changes
  where not exists (select from users where users.user_id = user_changes.user_id)`;

// Only what a users file tells; their ratings are counted by what follows.
export const MERGE_USER_DETAILS = `
  with last_line as (
    select distinct on (user_id) user_id, gender, age, occupation, zip_code
    from staging_users
    order by user_id, line desc
  ), added as (
    insert into users (user_id, idx, gender, age, occupation, zip_code)
    select user_id, ${NEXT_USER_IDX} - 1 + row_number() over (order by user_id), gender, age, occupation,
      zip_code
    from last_line
    where not exists (select from users where users.user_id = last_line.user_id)
    returning 1
  ), changed as (
    update users
    set gender = last_line.gender, age = last_line.age, occupation = last_line.occupation, zip_code = last_line.zip_code
    from last_line
    where users.user_id = last_line.user_id
      and (users.gender, users.age, users.occupation, users.zip_code)
        is distinct from (last_line.gender, last_line.age, last_line.occupation, last_line.zip_code)
    returning 1
  )
  select (select count(*) from added)::int as inserted, (select count(*) from changed)::int as updated`;

export const MERGE_MOVIES = `
  with last_line as (
    select distinct on (movie_id) movie_id, title, year, genres
    from staging_movies
    order by movie_id, line desc
  ), added as (
    insert into movies (movie_id, idx, title, year, genres)
    select movie_id, (select coalesce(max(idx), -1) from movies) + row_number() over (order by movie_id), title, year, genres
    from last_line
    where not exists (select from movies where movies.movie_id = last_line.movie_id)
    returning 1
  ), changed as (
    update movies
    set title = last_line.title, year = last_line.year, genres = last_line.genres
    from last_line
    where movies.movie_id = last_line.movie_id
      and (movies.title, movies.year, movies.genres) is distinct from (last_line.title, last_line.year, last_line.genres)
    returning 1
  )
  select (select count(*) from added)::int as inserted, (select count(*) from changed)::int as updated`;

// A rated movie that no movies file names gets a title of its own until one does.
export const MERGE_PLACEHOLDER_MOVIES = `
  insert into movies (movie_id, idx, title)
  select movie_id, (select coalesce(max(idx), -1) from movies) + row_number() over (order by movie_id), 'Movie ' || movie_id
  from movie_changes
  where not exists (select from movies where movies.movie_id = movie_changes.movie_id)`;

export const MERGE_LINKS = `
  with last_line as (
    select distinct on (movie_id) movie_id, imdb_id, tmdb_id
    from staging_links
    order by movie_id, line desc
  ), changed as (
    update movies
    set imdb_id = last_line.imdb_id, tmdb_id = last_line.tmdb_id
    from last_line
    where movies.movie_id = last_line.movie_id
      and (movies.imdb_id, movies.tmdb_id) is distinct from (last_line.imdb_id, last_line.tmdb_id)
    returning 1
  )
  select
    (select count(*) from changed)::int as updated,
    (select array_agg(line order by line) from staging_links
     where not exists (select from movies where movies.movie_id = staging_links.movie_id)) as orphans`;

export const UPDATE_USER_STATISTICS = updateStatistics(
  'users',
  'user_id',
  'user_changes',
  'ratings_changed_at = clock_timestamp(),',
);
export const UPDATE_MOVIE_STATISTICS = updateStatistics('movies', 'movie_id', 'movie_changes');

export const FINISH_RECORD = `
  update imports
  set status = 'SUCCEEDED', finished_at = clock_timestamp(), lines_read = $2, inserted = $3, updated = $4, unchanged = $5,
    duplicates = $6, rejected = $7, users_added = $8, movies_added = $9
  where id = $1`;

/**
 * Adds what changed to counts and means, so that the time depends on the new ratings and not on those that are there. The sum
 * behind a stored mean is a multiple of 2⁻²⁴, as every float4 from 0.5 on is, so that rounding gives it back exactly; other ratings
 * between −0.5 and 0.5 leave an error of at most 2⁻²⁵ in the sum.
 */
function updateStatistics(
  table: 'users' | 'movies',
  key: 'user_id' | 'movie_id',
  changes: string,
  also = '',
): string {
  return `
  update ${table}
  set ${also} rating_count = rating_count + added,
    mean_rating = (round(coalesce(mean_rating, 0) * rating_count * 16777216) / 16777216 + total) / nullif(rating_count + added, 0)
  from ${changes}
  where ${table}.${key} = ${changes}.${key} and (added <> 0 or total <> 0)`;
}
