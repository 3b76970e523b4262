// Pages of many parents in one statement: the first rows after a cursor, for each parent on its own.

import { afterCondition, type KeysetOrder, type KeysetValues, keyColumn, orderBy } from './keyset.js';
import type { Store } from './store.js';

export interface PagesRequest {
  table: string;
  /** Column that names the parent. */
  parent: string;
  parentIds: readonly number[];
  columns: string;
  order: KeysetOrder;
  first: number;
  after: KeysetValues | null;
}

/** One page for each parent, in the order of `parentIds`. Names are the code's own, values are parameters. */
export async function fetchPages<Row>(
  store: Store,
  request: PagesRequest,
): Promise<(Row & { key: string[] })[][]> {
  const { table, parent, parentIds, columns, order, first, after } = request;
  const { rows } = await store.pool.query(
    `select parent.id as "parentId", page.*
     from unnest($1::int[]) as parent (id)
     cross join lateral (
       select ${columns}, ${keyColumn(order)}
       from ${table}
       where ${parent} = parent.id and ${after ? afterCondition(order, 3) : 'true'}
       order by ${orderBy(order)}
       limit $2
     ) page`,
    [parentIds, first, ...(after ?? [])],
  );
  const pages = new Map<number, (Row & { key: string[] })[]>(parentIds.map((id) => [id, []]));
  for (const { parentId, ...row } of rows) pages.get(parentId)!.push(row);
  return parentIds.map((id) => pages.get(id)!);
}
