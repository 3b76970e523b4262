-- Purpose: views and functions for analysts, and the role marquee_analyst that can read them (docs/sql.md). Locks: none that
-- matter, no table is changed. Time: milliseconds.
-- No view reads ratings: a first import puts a new table in its place, and would have to leave one alone that views hang on.
-- What reads ratings is a function whose body is text, which looks the table up when it runs.

create view test_errors as
select run_id, user_id, movie_id, actual, predicted, predicted - actual as error,
  users.rating_count as user_ratings, movies.rating_count as movie_ratings, title, year, genres
from test_predictions
join users using (user_id)
join movies using (movie_id);
comment on view test_errors is 'Every test rating of a run with its prediction, and what is known of user and movie. error is predicted − actual, in stars.';

create view error_by_genre as
select run_id, genre, count(*)::int as ratings, sqrt(avg(error ^ 2)) as rmse, avg(abs(error)) as mae, avg(error) as bias
from test_errors
cross join unnest(genres) as genre
group by run_id, genre;
comment on view error_by_genre is 'Errors on test ratings by genre; a movie counts in each of its genres.';

create view error_by_decade as
select run_id, year / 10 * 10 as decade, count(*)::int as ratings, sqrt(avg(error ^ 2)) as rmse, avg(abs(error)) as mae,
  avg(error) as bias
from test_errors
group by run_id, year / 10 * 10;
comment on view error_by_decade is 'Errors on test ratings by decade of the movie; null: the year is not known.';

create view error_by_activity as
select run_id, user_ratings_from, count(*)::int as ratings, count(distinct user_id)::int as users, sqrt(avg(error ^ 2)) as rmse,
  avg(abs(error)) as mae, avg(error) as bias
from (
  select run_id, user_id, error, (2 ^ floor(log(2, greatest(user_ratings, 1))))::int as user_ratings_from
  from test_errors
) by_activity
group by run_id, user_ratings_from;
comment on view error_by_activity is 'Errors on test ratings by how many ratings the user has: from user_ratings_from to below twice that.';

create view error_by_rating as
select run_id, actual, count(*)::int as ratings, sqrt(avg(error ^ 2)) as rmse, avg(abs(error)) as mae, avg(error) as bias
from test_errors
group by run_id, actual;
comment on view error_by_rating is 'Errors on test ratings by the rating that was given.';

create view calibration as
select run_id, floor(predicted * 4) / 4 as predicted_from, count(*)::int as ratings, avg(predicted) as mean_predicted,
  avg(actual) as mean_actual
from test_predictions
group by run_id, floor(predicted * 4) / 4;
comment on view calibration is 'What was given where so much was predicted, by quarters of a star. Calibrated: mean_actual is mean_predicted.';

create view confusion as
select run_id, actual, predicted, ratings, ratings::numeric / sum(ratings) over (partition by run_id, actual) as share_of_actual
from confusion_cells;
comment on view confusion is 'Test ratings by star given and star predicted, with the share of those who gave so many stars.';

create view coverage as
select model_id, count(distinct user_id)::int as users, count(distinct movie_id)::int as movies,
  count(distinct movie_id) / (select count(*) from movies)::float8 as share_of_movies
from predictions
group by model_id;
comment on view coverage is 'How many users have a stored list of a model, and how much of the catalogue is in any list.';

create view drift as
select before.run_id, after.run_id as other_run_id, count(*)::int as ratings, avg(after.predicted - before.predicted) as mean_change,
  avg(abs(after.predicted - before.predicted)) as mean_absolute_change, sqrt(avg((before.predicted - before.actual) ^ 2)) as rmse,
  sqrt(avg((after.predicted - after.actual) ^ 2)) as other_rmse
from test_predictions before
join test_predictions after using (user_id, movie_id)
where before.run_id <> after.run_id
group by before.run_id, after.run_id;
comment on view drift is 'How predictions changed between two runs, over the ratings that both were tested on. Ask for both run_ids: all pairs are many.';

create function user_features(as_of timestamptz)
returns table (user_id int, ratings int, mean_rating float8, standard_deviation float8, first_rated_at timestamptz, last_rated_at timestamptz)
language sql stable
as $$
  select user_id, count(*)::int, avg(rating), stddev_samp(rating)::float8, min(rated_at), max(rated_at)
  from ratings
  where rated_at < as_of
  group by user_id
$$;
comment on function user_features is 'Statistics of each user over the ratings given before a time; ratings without a time are left out.';

create function movie_features(as_of timestamptz)
returns table (movie_id int, ratings int, mean_rating float8, standard_deviation float8, first_rated_at timestamptz, last_rated_at timestamptz)
language sql stable
as $$
  select movie_id, count(*)::int, avg(rating), stddev_samp(rating)::float8, min(rated_at), max(rated_at)
  from ratings
  where rated_at < as_of
  group by movie_id
$$;
comment on function movie_features is 'Statistics of each movie over the ratings given before a time; ratings without a time are left out.';

-- The role belongs to the server and may be there already; where roles may not be made, somebody else makes it and grants this.
do $$
begin
  if not exists (select from pg_roles where rolname = 'marquee_analyst') then
    begin
      create role marquee_analyst nologin;
    exception
      when duplicate_object or unique_violation then null;
      when insufficient_privilege then
        raise warning 'no role marquee_analyst: this user may not create roles (docs/sql.md)';
    end;
  end if;
  if exists (select from pg_roles where rolname = 'marquee_analyst') then
    grant select on
      users, movies, ratings, epoch_metrics, evaluations, evaluation_baselines, confusion_cells, test_predictions, predictions,
      test_errors, error_by_genre, error_by_decade, error_by_activity, error_by_rating, calibration, confusion, coverage, drift
    to marquee_analyst;
    grant select (id, version, run_id, shape, users, movies, parameters, active, created_at, promoted_at) on models to marquee_analyst;
  end if;
end
$$;
