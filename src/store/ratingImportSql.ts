// The statements of an import, in the order they run. Apart from ratingImport.ts so that each can be read as SQL.

// One import at a time. A killed import holds the lock until the server notices that its client is gone: it looks twice a
// second (Windows cannot), and who comes next waits that long. The lock's number is any that nothing else here uses.
export const BEGIN = `
  begin;
  set local lock_timeout = '2s';
  select set_config('client_connection_check_interval', '500ms', true)
  where version() !~* 'windows|mingw|visual c|msvc';
  select pg_advisory_xact_lock(7267801);
  set local lock_timeout to default`;

export const CREATE_STAGING = `
  create temp table staging_ratings (
    user_id int not null, movie_id int not null, rating real not null, rated_at timestamptz(0), line int not null
  ) on commit drop;
  create temp table staging_movies (
    movie_id int not null, title text not null, year int, genres text[] not null, line int not null
  ) on commit drop;
  create temp table staging_links (
    movie_id int not null, imdb_id int, tmdb_id int, line int not null
  ) on commit drop`;

export const STAGE_MOVIES = `
  insert into staging_movies (movie_id, title, year, genres, line)
  select movie_id, title, year, case when genres = '' then '{}' else string_to_array(genres, '|') end, line
  from unnest($1::int[], $2::text[], $3::int[], $4::text[], $5::int[]) as movie (movie_id, title, year, genres, line)`;

export const STAGE_LINKS = `
  insert into staging_links (movie_id, imdb_id, tmdb_id, line)
  select * from unnest($1::int[], $2::int[], $3::int[], $4::int[])`;

// Temporary tables are never analysed on their own, and the merge is planned on their sizes.
export const ANALYZE_STAGING = 'analyze staging_ratings, staging_movies, staging_links';

// Writers of single ratings wait for the merge, so that statistics and idx stay exact; readers do not.
export const LOCK_RATINGS = 'lock table ratings in share row exclusive mode';

export const MERGE_USERS = `
  with added as (
    insert into users (user_id, idx)
    select user_id, (select coalesce(max(idx), -1) from users) + row_number() over (order by user_id)
    from (select distinct user_id from staging_ratings) staged
    where not exists (select from users where users.user_id = staged.user_id)
    returning 1
  )
  select count(*)::int as users_added from added`;

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
  with added as (
    insert into movies (movie_id, idx, title)
    select movie_id, (select coalesce(max(idx), -1) from movies) + row_number() over (order by movie_id), 'Movie ' || movie_id
    from (select distinct movie_id from staging_ratings) staged
    where not exists (select from movies where movies.movie_id = staged.movie_id)
    returning 1
  )
  select count(*)::int as placeholders from added`;

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

// Within the file and against the store: the last rating wins, by time, then by file order. Nobody else writes ratings now,
// so that there is no conflict to guard against, and an unchanged rating is only read: `on conflict do update` would lock it.
// A line without a time says nothing about when: the stored time stays.
export const MERGE_RATINGS = `
  with last_line as materialized (
    select distinct on (user_id, movie_id) user_id, movie_id, rating, rated_at
    from staging_ratings
    order by user_id, movie_id, rated_at desc nulls last, line desc
  ), added as (
    insert into ratings (user_id, movie_id, rating, rated_at)
    select user_id, movie_id, rating, rated_at
    from last_line
    where not exists (
      select from ratings where ratings.user_id = last_line.user_id and ratings.movie_id = last_line.movie_id
    )
    order by user_id, movie_id
    returning 1
  ), changed as (
    update ratings
    set rating = last_line.rating, rated_at = coalesce(last_line.rated_at, ratings.rated_at)
    from last_line
    where ratings.user_id = last_line.user_id
      and ratings.movie_id = last_line.movie_id
      and (ratings.rating, ratings.rated_at)
        is distinct from (last_line.rating, coalesce(last_line.rated_at, ratings.rated_at))
      and (ratings.rated_at is null or last_line.rated_at is null or last_line.rated_at >= ratings.rated_at)
    returning 1
  )
  select
    (select count(*) from added)::int as inserted,
    (select count(*) from changed)::int as updated,
    ((select count(*) from staging_ratings) - (select count(*) from last_line))::int as duplicates`;

export const UPDATE_USER_STATISTICS = updateStatistics('users', 'user_id');
export const UPDATE_MOVIE_STATISTICS = updateStatistics('movies', 'movie_id');

export const FINISH_RECORD = `
  update imports
  set status = 'SUCCEEDED', finished_at = clock_timestamp(), lines_read = $2, inserted = $3, updated = $4, unchanged = $5,
    duplicates = $6, rejected = $7, users_added = $8, movies_added = $9
  where id = $1`;

/** Counts and means of the users or movies that this import touched. */
function updateStatistics(table: 'users' | 'movies', key: 'user_id' | 'movie_id'): string {
  return `
  update ${table}
  set rating_count = fresh.rating_count, mean_rating = fresh.mean_rating
  from (
    select ${key}, count(*)::int as rating_count, avg(rating) as mean_rating
    from ratings
    where ${key} in (select ${key} from staging_ratings)
    group by ${key}
  ) fresh
  where ${table}.${key} = fresh.${key}
    and (${table}.rating_count, ${table}.mean_rating) is distinct from (fresh.rating_count, fresh.mean_rating)`;
}
