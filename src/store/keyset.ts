// Keyset paging in SQL: an order is a list of expressions, the last one unique; a page continues after the values
// of the row before it. Unlike an offset it stays right while rows are added, and costs the same on every page.

export interface OrderTerm {
  /** Never null: wrap nullable columns in coalesce. */
  expression: string;
  /** Of the cursor value's parameter. */
  type: 'int' | 'float8' | 'text' | 'timestamptz';
  descending?: boolean;
}

export type KeysetOrder = readonly OrderTerm[];
/** One value for each term of the order, as the database gave it out. */
export type KeysetValues = readonly (string | number)[];

export function orderBy(order: KeysetOrder): string {
  return order.map(({ expression, descending }) => `${expression} ${descending ? 'desc' : 'asc'}`).join(', ');
}

/** The order's values as a text array column, which `KeysetValues` come from. */
export function keyColumn(order: KeysetOrder): string {
  return `array[${order.map(({ expression }) => `(${expression})::text`).join(', ')}] as key`;
}

/** A condition for the rows after `values`, whose parameters begin at $firstParameter. */
export function afterCondition(order: KeysetOrder, firstParameter: number): string {
  const parameter = (term: number) => `$${firstParameter + term}::${order[term].type}`;
  const alternatives = order.map(({ expression, descending }, term) => {
    const equal = order.slice(0, term).map((before, i) => `${before.expression} = ${parameter(i)}`);
    return `(${[...equal, `${expression} ${descending ? '<' : '>'} ${parameter(term)}`].join(' and ')})`;
  });
  return `(${alternatives.join(' or ')})`;
}
