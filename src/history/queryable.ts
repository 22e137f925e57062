// The database interface that the queries of this folder need: a pool or a connection.

import type { QueryConfig, QueryResult, QueryResultRow } from 'pg'

export interface Queryable {
  query<Row extends QueryResultRow | unknown[]>(
    query: (QueryConfig & { readonly rowMode?: 'array' }) | string,
    values?: unknown[]
  ): Promise<Pick<QueryResult, 'rowCount'> & { rows: Row[] }>
}

/** The part of a client that a query in a transaction needs. The caller begins and ends the transaction. */
export interface Db {
  query(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>
}
