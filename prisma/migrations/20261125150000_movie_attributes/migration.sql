-- Purpose: which genres and decades a model knows, to tell of movies that it was not trained with. Locks: models exclusively.
-- Time: milliseconds, no row is rewritten.

alter table models add column movie_attributes text[] default '{}';
