-- Purpose: what an evaluation says of order: AUC at the mean, and ranking over the full catalogue beside baselines.
-- Lock: evaluations, exclusively. Time: milliseconds; former evaluations have no AUC and no rankings.

alter table evaluations add column auc float8;

create table evaluation_rankings (
  run_id integer not null references evaluations (run_id) on delete cascade on update cascade,
  name text not null,
  k integer not null,
  users integer not null,
  ndcg float8 not null,
  recall float8 not null,
  precision float8 not null,
  map float8 not null,
  hit_rate float8 not null,
  coverage float8 not null,
  novelty float8 not null,
  diversity float8,
  primary key (run_id, name, k)
);
comment on table evaluation_rankings is 'Lists of k movies for users of the test ratings, out of the full catalogue: of the model, and of baselines beside it.';

do $$
begin
  if exists (select from pg_roles where rolname = 'marquee_analyst') then
    grant select on evaluation_rankings to marquee_analyst;
  end if;
end
$$;
