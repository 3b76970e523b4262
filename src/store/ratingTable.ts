// The table `ratings` itself: one table, or as many as it was divided into by a hash of the user (ratingPartitions.ts); how
// another of the same kind is made and takes its place. Partitions are found in PostgreSQL's catalogue, and no setting names them.

import type pg from 'pg';

/** So many COPY writes side by side (PostgreSQL's copyfrom.c: MAX_PARTITION_BUFFERS); with more the order of rows in a partition may be lost. */
export const MAX_PARTITIONS = 32;

const BY_USER = 'HASH (user_id)';

// Whatever else hangs on a table would be lost with it, so only tables as Marquee makes them are replaced.
export const IS_REPLACEABLE = `
  select bool_and(
    relnamespace = current_schema()::regnamespace and has_schema_privilege(relnamespace, 'create')
    and relowner = current_user::regrole and reloptions is null and reltablespace = 0
    and not relrowsecurity and not relhastriggers
    and (relkind = 'r' or pg_get_partkeydef(part.oid) = '${BY_USER}')
    and relhassubclass = (relkind = 'p')
    and relispartition = (oid <> 'ratings'::regclass)
    and (oid = 'ratings'::regclass or relkind = 'r' and relacl is null)
    and (select count(*) from pg_index where indrelid = part.oid) = 2
    and not exists (select from pg_attribute where attrelid = part.oid and attacl is not null)
    and not exists (
      select from pg_depend
      where refclassid = 'pg_class'::regclass and refobjid = part.oid
        and classid not in ('pg_class'::regclass, 'pg_type'::regclass, 'pg_constraint'::regclass, 'pg_attrdef'::regclass)
    )
  ) as is_replaceable
  from pg_class part
  where oid = 'ratings'::regclass or oid in (select inhrelid from pg_inherits where inhparent = 'ratings'::regclass)`;

export const ADD_KEY =
  'alter table staging_ratings add constraint staging_ratings_pkey primary key (user_id, movie_id)';
export const ADD_INDEX =
  'create index staging_ratings_movie_id_user_id_idx on staging_ratings (movie_id, user_id)';

// The grants go along. All names of the new table, its partitions and their indexes begin alike.
const SWAP = `
  do $$
  declare
    privilege record;
    relation record;
  begin
    for privilege in
      select privilege_type, is_grantable, case grantee when 0 then 'public' else grantee::regrole::text end as grantee
      from pg_class, aclexplode(relacl)
      where oid = 'ratings'::regclass and grantee <> relowner
    loop
      execute format(
        'grant %s on staging_ratings to %s%s', privilege.privilege_type, privilege.grantee,
        case when privilege.is_grantable then ' with grant option' else '' end
      );
    end loop;
    drop table ratings;
    for relation in
      with new_tables as (
        select 'staging_ratings'::regclass::oid as oid
        union all
        select inhrelid from pg_inherits where inhparent = 'staging_ratings'::regclass
      )
      select oid::regclass as old_name, replace(relname, 'staging_ratings', 'ratings') as new_name,
        case when relkind in ('r', 'p') then 'table' else 'index' end as kind
      from pg_class
      where oid in (
        select oid from new_tables
        union all
        select indexrelid from pg_index where indrelid in (select oid from new_tables))
    loop
      execute format('alter %s %s rename to %I', relation.kind, relation.old_name, relation.new_name);
    end loop;
  end
  $$`;

/** 1: the table is not divided. */
export async function countPartitions(client: Pick<pg.ClientBase, 'query'>): Promise<number> {
  const { rows } = await client.query(
    `select greatest(1, count(*))::int as partitions
     from pg_inherits
     where inhparent = 'ratings'::regclass and pg_get_partkeydef(inhparent) = '${BY_USER}'`,
  );
  return rows[0].partitions;
}

/** Statements that make a table of ratings, divided or not. definition: what stands between the parentheses. */
export function createDivided(
  kind: 'table' | 'temp table',
  name: string,
  definition: string,
  partitions: number,
): string {
  const end = kind === 'temp table' ? ' on commit drop' : '';
  if (partitions === 1) return `create ${kind} ${name} (${definition})${end}`;
  const parts = Array.from(
    { length: partitions },
    (_, part) => `
  create ${kind} ${name}_p${part} partition of ${name}
  for values with (modulus ${partitions}, remainder ${part})${end}`,
  );
  return [`create ${kind} ${name} (${definition}) partition by ${BY_USER}${end}`, ...parts].join(';');
}

/** Not temporary: it becomes the table, and parallel workers cannot read temporary ones. No indexes: they are built once it is whole. */
export async function createStagingTable(client: pg.PoolClient, partitions: number): Promise<void> {
  const definition = 'like ratings including all excluding indexes';
  await client.query(createDivided('table', 'staging_ratings', definition, partitions));
}

/** To be called last: readers wait from here on. */
export async function swapRatings(client: pg.PoolClient): Promise<void> {
  await client.query(SWAP);
}
