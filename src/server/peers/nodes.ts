// Which servers of one database live. Each server writes that it lives. Exactly one of the others takes out a silent
// server: its online chargers become offline, unless another server has them by now. A server that was only frozen
// finds that it was taken out, and reports its chargers again.

import type { Pool, QueryConfig } from 'pg'

export interface NodesOptions {
  readonly db: Pool
  readonly node: string
  readonly silentMs: number
  /** No live server has this charger. */
  readonly gone: (charger: string, sinceUs: number) => void
  /** This server was silent for so long that others took its chargers offline. */
  readonly wasTakenOut: () => void
  readonly failed: (error: Error) => void
}

/** A server says this often within the allowed silence that it lives. */
const timesPerSilence = 6
const answerMs = 5_000

/** Until the returned function is called. The row stays: a server that stops sends its edges to other servers first. */
export function watchNodes(options: NodesOptions): () => Promise<void> {
  let isFirst = true
  let isFailing = false
  let looking: Promise<void> | undefined
  const look = async (): Promise<void> => {
    try {
      const wasThere = await sayAlive(options)
      if (!wasThere && !isFirst) options.wasTakenOut()
      isFirst = false
      for (const { charger, sinceUs } of await takeOutSilent(options)) options.gone(charger, Number(sinceUs))
      isFailing = false
    } catch (error) {
      if (!isFailing) options.failed(error as Error)
      isFailing = true
    }
    looking = undefined
  }
  const timer = setInterval(() => {
    looking ??= look()
  }, options.silentMs / timesPerSilence).unref()
  looking = look()
  return async () => {
    clearInterval(timer)
    await looking
  }
}

async function sayAlive({ db, node }: NodesOptions): Promise<boolean> {
  const { rows } = await db.query<{ was_there: boolean }>(
    bounded(
      `INSERT INTO nodes (node, seen) VALUES ($1, now())
       ON CONFLICT (node) DO UPDATE SET seen = excluded.seen
       RETURNING xmax <> 0 AS was_there`,
      [node]
    )
  )
  return rows[0]!.was_there
}

/**
 * Chargers that no server has any more. The server that deletes the row of a silent one does the rest, in the same
 * statement.
 */
async function takeOutSilent({ db, node, silentMs }: NodesOptions): Promise<{ charger: string; sinceUs: string }[]> {
  const { rows } = await db.query<{ charger: string; sinceUs: string }>(
    bounded(
      `WITH silent AS (
         DELETE FROM nodes WHERE node <> $1 AND seen < now() - $2 * interval '1 millisecond' RETURNING node
       ), gone AS (
         UPDATE edge_connections SET state = 'offline', since = now()
         WHERE state = 'online' AND node IN (SELECT node FROM silent)
         RETURNING charger, identity
       )
       SELECT DISTINCT charger, (extract(epoch FROM now()) * 1000000)::bigint::text AS "sinceUs"
       FROM gone
       WHERE NOT EXISTS (
         SELECT FROM edge_connections other
         WHERE other.charger = gone.charger AND other.state = 'online'
           AND other.node NOT IN (SELECT node FROM silent))`,
      [node, silentMs]
    )
  )
  return rows
}

const bounded = (text: string, values: unknown[]): QueryConfig =>
  ({ text, values, query_timeout: answerMs }) as QueryConfig
