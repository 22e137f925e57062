// What the queries of this folder need of a database: a pool or a connection.

import type { QueryConfig, QueryResult, QueryResultRow } from 'pg'

export interface Queryable {
  query<Row extends QueryResultRow | unknown[]>(
    query: (QueryConfig & { readonly rowMode?: 'array' }) | string,
    values?: unknown[]
  ): Promise<Pick<QueryResult, 'rowCount'> & { rows: Row[] }>
}

/** What is needed of a client; its transaction is the caller's. */
export interface Db {
  query(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>
}
