// Relay connections with keyset cursors. A cursor names its list and order, so that one of another list is refused
// instead of answered wrongly. Pages are fetched with one row more than asked for, which tells whether there is a next.

import { ArgsType, ClassType, Field, Int, ObjectType } from 'type-graphql';
import { AppError } from '../errors.js';

export const PAGE_MAX = 100;

@ArgsType()
export class PageArgs {
  @Field(() => Int, { description: `Rows in a page, 1 to ${PAGE_MAX}.` })
  first!: number;

  @Field(() => String, {
    nullable: true,
    description: 'endCursor of the page before; null for the first page.',
  })
  after!: string | null;
}

@ObjectType({ description: 'Where a page lies in its list.', simpleResolvers: true })
export class PageInfo {
  @Field({ description: 'Whether rows follow this page.' })
  hasNextPage!: boolean;

  @Field({ description: 'Whether this page was asked for with `after`.' })
  hasPreviousPage!: boolean;

  @Field(() => String, { nullable: true, description: 'Cursor of the first row; null on an empty page.' })
  startCursor!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Cursor of the last row: pass it as `after` for the next page; null on an empty page.',
  })
  endCursor!: string | null;
}

export interface Connection<T> {
  edges: { cursor: string; node: T }[];
  nodes: T[];
  pageInfo: PageInfo;
  /** Counted only when it is asked for. */
  totalCount?: () => number | Promise<number>;
}

/** The GraphQL types `<name>Connection` and `<name>Edge`. Called once for each name. */
export function connectionType<T extends object>(
  name: string,
  nodeType: ClassType<T>,
): ClassType<Connection<T>> {
  @ObjectType(`${name}Edge`, {
    description: `One ${name} in a page, with its cursor.`,
    simpleResolvers: true,
  })
  class Edge {
    @Field({ description: 'Opaque; valid for the same list and order.' })
    cursor!: string;

    @Field(() => nodeType, { description: `The ${name} itself.` })
    node!: T;
  }

  @ObjectType(`${name}Connection`, { description: `A page of ${name} objects.`, simpleResolvers: true })
  class PageOf {
    @Field(() => [Edge], { description: 'The rows of the page, each with its cursor.' })
    edges!: Edge[];

    @Field(() => [nodeType], { description: 'The same rows without cursors.' })
    nodes!: T[];

    @Field(() => PageInfo, { description: 'Whether there are more rows, and the cursors to get them.' })
    pageInfo!: PageInfo;

    @Field(() => Int, {
      nullable: true,
      description: 'Rows in the whole list; null where counting is not cheap.',
    })
    totalCount?: () => number | Promise<number>;
  }
  return PageOf;
}

/** @throws AppError BAD_INPUT unless 1 ≤ first ≤ 100 */
export function checkFirst(first: number): void {
  if (first >= 1 && first <= PAGE_MAX) return;
  throw new AppError('BAD_INPUT', `first is ${first}: expected 1 to ${PAGE_MAX}`);
}

/** rows: up to first + 1 of them. */
export function toConnection<T>(
  rows: readonly T[],
  first: number,
  after: string | null | undefined,
  cursorOf: (row: T) => string,
  totalCount?: Connection<T>['totalCount'],
): Connection<T> {
  const nodes = rows.slice(0, first);
  const edges = nodes.map((node) => ({ cursor: cursorOf(node), node }));
  const pageInfo = {
    hasNextPage: rows.length > first,
    hasPreviousPage: Boolean(after),
    startCursor: edges.at(0)?.cursor ?? null,
    endCursor: edges.at(-1)?.cursor ?? null,
  };
  return { edges, nodes, pageInfo, totalCount };
}

export function encodeCursor(list: string, key: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify([list, ...key])).toString('base64url');
}

/** null for no cursor. @throws AppError BAD_CURSOR when it belongs to another list, or to none */
export function decodeCursor(
  list: string,
  cursor: string | null | undefined,
  length: number,
): string[] | null {
  if (!cursor) return null;
  const parts = parseJson(Buffer.from(cursor, 'base64url').toString('utf8'));
  if (Array.isArray(parts) && parts[0] === list && parts.length === length + 1)
    return parts.slice(1).map(String);
  throw badCursor(cursor);
}

/** As decodeCursor, for keys that are numbers. */
export function decodeNumbersCursor(
  list: string,
  cursor: string | null | undefined,
  length: number,
): number[] | null {
  const key = decodeCursor(list, cursor, length)?.map(Number) ?? null;
  if (key?.every(Number.isFinite) ?? true) return key;
  throw badCursor(cursor);
}

/** As decodeCursor, for lists ordered by an id. */
export function decodeIdCursor(list: string, cursor: string | null | undefined): number | null {
  const [id] = decodeNumbersCursor(list, cursor, 1) ?? [null];
  if (id === null || (Number.isInteger(id) && id >= 0 && id < 2 ** 31)) return id;
  throw badCursor(cursor);
}

/** A page of a list whose rows carry the key that they are ordered by, of so many parts. load gives so many rows after a key, or from the first on. */
export async function pageByKey<T extends { key: readonly string[] }>(
  { list, parts }: { list: string; parts: number },
  { first, after }: PageArgs,
  load: (rows: number, after: string[] | null) => Promise<readonly T[]>,
  totalCount?: Connection<T>['totalCount'],
): Promise<Connection<T>> {
  checkFirst(first);
  const rows = await load(first + 1, decodeCursor(list, after, parts));
  return toConnection(rows, first, after, ({ key }) => encodeCursor(list, key), totalCount);
}

/** A page of a list that is ordered by the key of its nodes. load gives so many after the key, or from the first on. */
export async function pageById<T extends { key: number }>(
  list: string,
  { first, after }: PageArgs,
  load: (rows: number, after: number | null) => Promise<T[]>,
): Promise<Connection<T>> {
  checkFirst(first);
  const nodes = await load(first + 1, decodeIdCursor(list, after));
  return toConnection(nodes, first, after, ({ key }) => encodeCursor(list, [key]));
}

function badCursor(cursor: string | null | undefined): AppError {
  return new AppError('BAD_CURSOR', `"${cursor}" is not a cursor of this list and order`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
