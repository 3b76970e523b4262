// A bound on what one query may ask for: all nested `first` arguments, and numbers of `ids`, multiplied. Without it one request of a few lines
// could ask for millions of rows and hold up everybody else's.

import type { ApolloServerPlugin } from '@apollo/server';
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql';
import { ERROR_CODES } from '../errors.js';
import type { Context } from './context.js';

/** 100 rows with 100 each, and as much again; about a second of work. */
const ROWS_MAX = 25_000;

export function queryCostPlugin(): ApolloServerPlugin<Context> {
  return {
    async requestDidStart() {
      return {
        async didResolveOperation({ document, operation, request }) {
          // Without one, Apollo's own refusal says that it cannot tell which is meant.
          if (operation) checkCost(document, operation, request.variables ?? {});
        },
      };
    },
  };
}

/** @throws GraphQLError QUERY_TOO_LARGE */
export function checkCost(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Record<string, unknown>,
): void {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const node of document.definitions) {
    if (node.kind === Kind.FRAGMENT_DEFINITION) fragments.set(node.name.value, node);
  }
  const rows = countRows(operation, fragments, { ...defaultsOf(operation), ...variables });
  if (rows <= ROWS_MAX) return;
  throw new GraphQLError(`the query asks for ${rows} rows: expected ${ROWS_MAX} at most`, {
    extensions: {
      code: 'QUERY_TOO_LARGE',
      hint: ERROR_CODES.QUERY_TOO_LARGE.hint,
      http: { status: 400 },
    },
  });
}

function defaultsOf({ variableDefinitions = [] }: OperationDefinitionNode): Record<string, unknown> {
  return Object.fromEntries(
    variableDefinitions.map(({ variable, defaultValue }) => [variable.name.value, sizeOf(defaultValue, {})]),
  );
}

/** Rows that the operation may give if every page is full. Validation has seen to it that fragments do not go in circles. */
function countRows(
  operation: OperationDefinitionNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  variables: Record<string, unknown>,
): number {
  // A fragment may be spread many times over, but it costs the same each time.
  const known = new Map<SelectionSetNode, number>();
  const rowsIn = (set: SelectionSetNode | undefined): number => {
    if (!set) return 0;
    const rows = known.get(set) ?? set.selections.reduce((sum, selection) => sum + rowsOf(selection), 0);
    known.set(set, rows);
    return rows;
  };
  const rowsOf = (selection: SelectionNode): number => {
    if (selection.kind === Kind.FRAGMENT_SPREAD)
      return rowsIn(fragments.get(selection.name.value)?.selectionSet);
    const rows = rowsIn(selection.selectionSet);
    const page = selection.kind === Kind.FIELD ? pageOf(selection, variables) : 0;
    return page > 0 ? page * (1 + rows) : rows;
  };
  return rowsIn(operation.selectionSet);
}

/** The field's `first`, or how many `ids` it has; 0 where it has neither. */
function pageOf({ arguments: given = [] }: FieldNode, variables: Record<string, unknown>): number {
  return sizeOf(given.find(({ name }) => name.value === 'first' || name.value === 'ids')?.value, variables);
}

function sizeOf(value: ValueNode | undefined, variables: Record<string, unknown>): number {
  switch (value?.kind) {
    case Kind.INT:
      return Number(value.value);
    case Kind.LIST:
      return value.values.length;
    case Kind.VARIABLE: {
      const given = variables[value.name.value];
      return Array.isArray(given) ? given.length : Number(given);
    }
    default:
      return 0;
  }
}
