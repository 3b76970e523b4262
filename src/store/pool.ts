// pg's pool, whose single statements find another way when the one they were sent by is no good. Behind a pooler in transaction mode a named
// statement may be unknown to the connection that it comes to, or known to it already: it is asked again without a name, as is everything
// after it. Statements of a transaction are asked on a connection and do not pass here.

import { createHash } from 'node:crypto';
import pg from 'pg';
import { createSocket } from './socket.js';

/** SQLSTATE: no such prepared statement; there is one already. */
const NAME_REFUSED = new Set(['26000', '42P05']);
/** pg's `query` in its form with a promise: the statement, and values where they are apart. */
type Asked = [statement: string | (pg.QueryConfig & { name?: string }), ...rest: unknown[]];

export class StatementPool extends pg.Pool {
  #isNaming = true;
  readonly #names = new Map<string, string>();
  readonly #insteadOf: (error: unknown) => pg.Pool | null;

  /** insteadOf: the pool that is asked again after an error, null when it stands. */
  constructor(config: pg.PoolConfig, insteadOf: (error: unknown) => pg.Pool | null = () => null) {
    super({ stream: createSocket, ...config });
    this.#insteadOf = insteadOf;
    // A connection that the server ends, idle or in use, is replaced by the pool, and the query in hand is rejected; without
    // listeners the event would end the process.
    this.on('error', () => {});
    this.on('connect', (client) => client.on('error', () => {}));
  }

  // biome-ignore lint/suspicious/noExplicitAny: all forms of pg's own
  override query(...asked: any[]): any {
    const isPromised = typeof asked.at(-1) !== 'function' && typeof asked[0]?.submit !== 'function';
    return isPromised ? this.#answer(asked as Asked) : this.#ask(asked as Asked);
  }

  async #answer(asked: Asked): Promise<unknown> {
    const [statement, ...rest] = asked;
    if (typeof statement === 'string' || !statement.name) return this.#askAnywhere(asked);
    const { name, ...unnamed } = statement;
    if (!this.#isNaming) return this.#askAnywhere([unnamed, ...rest]);
    try {
      return await this.#askAnywhere([{ ...unnamed, name: this.#nameOf(name, unnamed.text) }, ...rest]);
    } catch (error) {
      if (!NAME_REFUSED.has((error as pg.DatabaseError).code ?? '')) throw error;
      this.#isNaming = false;
      return this.#askAnywhere([unnamed, ...rest]);
    }
  }

  async #askAnywhere(asked: Asked): Promise<unknown> {
    try {
      return await this.#ask(asked);
    } catch (error) {
      const other = this.#insteadOf(error);
      if (!other) throw error;
      return other.query(...(asked as [string]));
    }
  }

  #ask(asked: Asked): Promise<unknown> {
    return super.query(...(asked as [string]));
  }

  /** A connection that is shared with another version of this program must not answer with that one's statement. */
  #nameOf(name: string, text: string): string {
    let unique = this.#names.get(text);
    if (!unique) {
      unique = `${name}-${createHash('sha256').update(text).digest('hex').slice(0, 12)}`;
      this.#names.set(text, unique);
    }
    return unique;
  }
}
