// The memory of presence: the rows of edge_connections, read at the start and written behind. Never blocks the broker.
// Several servers may write the table. A row belongs to the node with the newest connection, and only that node may set
// it to offline.

import type { Pool, QueryConfig } from 'pg'
import type { EdgeConnection } from '../../broker/presence.ts'
import { formatTime } from '../../model/wire/envelope.ts'
import { WriteBehind } from './writeBehind.ts'

/** Short, because subscribers have already seen what a killed server had not written. */
const writeIntervalMs = 50
const askTimeoutMs = 2_000

export async function loadConnections(db: Pool): Promise<EdgeConnection[]> {
  const { rows } = await db.query<Omit<EdgeConnection, 'sinceUs'> & { sinceUs: string }>(
    `SELECT identity, client_id AS "clientId", charger, state,
       (extract(epoch FROM since) * 1000000)::bigint::text AS "sinceUs", address, node
     FROM edge_connections`
  )
  return rows.map(row => ({ ...row, sinceUs: Number(row.sinceUs) }))
}

/** Which of the chargers another node has online. */
export async function onlineElsewhere(db: Pool, node: string, chargers: readonly string[]): Promise<Set<string>> {
  const { rows } = await db.query<{ charger: string }>({
    text: "SELECT charger FROM edge_connections WHERE charger = ANY ($1) AND state = 'online' AND node <> $2",
    values: [chargers, node],
    query_timeout: askTimeoutMs
  } as QueryConfig)
  return new Set(rows.map(({ charger }) => charger))
}

export class ConnectionWriter {
  readonly #behind: WriteBehind<EdgeConnection>

  constructor(db: Pool, failed: (error: Error) => void) {
    const write = (entries: readonly [string, EdgeConnection][]): Promise<void> =>
      upsertConnections(
        db,
        entries.map(([, connection]) => connection)
      )
    this.#behind = new WriteBehind({ intervalMs: writeIntervalMs, write, failed })
  }

  note(connection: EdgeConnection): void {
    this.#behind.note(`${connection.charger}/${connection.identity}`, connection)
  }

  /** Writes the rows that wait, then ends. */
  close(): Promise<void> {
    return this.#behind.close()
  }
}

/** In the order of the key: otherwise two servers could deadlock. */
async function upsertConnections(db: Pool, connections: readonly EdgeConnection[]): Promise<void> {
  await db.query(
    `INSERT INTO edge_connections AS stored (identity, client_id, charger, state, since, address, node)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[])
       AS entry (identity, client_id, charger, state, since, address, node)
     ORDER BY charger, identity
     ON CONFLICT (charger, identity) DO UPDATE SET client_id = excluded.client_id, state = excluded.state,
       since = excluded.since, address = excluded.address, node = excluded.node
     WHERE stored.node = excluded.node OR (excluded.state = 'online' AND excluded.since > stored.since)`,
    [
      connections.map(({ identity }) => identity),
      connections.map(({ clientId }) => clientId),
      connections.map(({ charger }) => charger),
      connections.map(({ state }) => state),
      connections.map(({ sinceUs }) => formatTime(sinceUs)),
      connections.map(({ address }) => address),
      connections.map(({ node }) => node)
    ]
  )
}
