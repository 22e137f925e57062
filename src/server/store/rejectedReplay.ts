// Sends rejected messages through the ingest path again: the same lanes, workers, checks and transaction as at first. A
// row leaves `rejected_messages` only after the database has answered for its message: committed, or rejected again,
// which made a new row. A crash in between repeats some messages, and storing a message twice changes nothing.

import type { Pool } from 'pg'
import type { Ingest } from '../../ingest/ingest.ts'
import { RejectedError } from '../../model/errors.ts'
import { type Identity, runOf, type Source } from '../../model/server/admission.ts'
import { formatTime, parseTime } from '../../model/wire/envelope.ts'

/** Selects rejected messages. An absent member selects any. */
export interface RejectedFilter {
  readonly charger?: string | undefined
  readonly code?: string | undefined
  readonly sinceMs?: number | undefined
}

export interface RejectedRow {
  /** With microseconds, as PostgreSQL writes it. */
  readonly arrival: string
  readonly batch_id: string
  readonly message_index: number
  readonly received_at: Date
  readonly identity: string
  readonly topic: string
  readonly payload: Buffer
  readonly code: string
  readonly reason: string
}

export interface ReplayOptions {
  readonly db: Pool
  readonly ingest: Pick<Ingest, 'admit'>
  readonly filter: RejectedFilter
  /** Added to each SamplingTime. May be negative. */
  readonly shiftUs: number
  /** Called after each page. */
  readonly progress: (counts: ReplayCounts) => void
}

export interface ReplayCounts {
  replayed: number
  /** Messages whose time could not be shifted. They stay as they are. */
  skipped: number
}

const pageRows = 1_000

const conditions = `($1::text IS NULL OR split_part(topic, '/', 2) = $1)
  AND ($2::text IS NULL OR code = $2) AND ($3::timestamptz IS NULL OR received_at >= $3)`
const valuesOf = ({ charger, code, sinceMs }: RejectedFilter): unknown[] => [
  charger ?? null,
  code ?? null,
  sinceMs === undefined ? null : new Date(sinceMs)
]

/** Counts by code, the largest first. */
export async function countRejected(db: Pool, filter: RejectedFilter): Promise<{ code: string; count: number }[]> {
  const { rows } = await db.query<{ code: string; count: string }>(
    `SELECT code, count(*) AS count FROM rejected_messages WHERE ${conditions} GROUP BY code ORDER BY count DESC, code`,
    valuesOf(filter)
  )
  return rows.map(({ code, count }) => ({ code, count: Number(count) }))
}

/** The newest first. */
export async function newestRejected(db: Pool, filter: RejectedFilter, limit: number): Promise<RejectedRow[]> {
  const { rows } = await db.query<RejectedRow>(
    `SELECT *, received_at::text AS arrival FROM rejected_messages WHERE ${conditions}
     ORDER BY received_at DESC, batch_id DESC, message_index DESC LIMIT $4`,
    [...valuesOf(filter), limit]
  )
  return rows
}

/**
 * Replays the messages that are there now, in the order of their arrival, a page at a time. Messages rejected meanwhile
 * stay untouched.
 */
export async function replayRejected({ db, ingest, filter, shiftUs, progress }: ReplayOptions): Promise<ReplayCounts> {
  const counts: ReplayCounts = { replayed: 0, skipped: 0 }
  const { rows } = await db.query<{ last: string | null }>(
    'SELECT max(received_at)::text AS last FROM rejected_messages'
  )
  const last = rows[0]!.last
  let after: RejectedRow | undefined
  while (last !== null) {
    const page = await pageAfter(db, filter, after, last)
    if (page.length === 0) break
    after = page.at(-1)
    const messages = page.flatMap(row => {
      const payload = shifted(row.payload, shiftUs)
      return payload === undefined ? [] : [{ row, payload }]
    })
    await settled(ingest, messages)
    await forget(
      db,
      messages.map(({ row }) => row)
    )
    counts.replayed += messages.length
    counts.skipped += page.length - messages.length
    progress(counts)
  }
  return counts
}

async function pageAfter(
  db: Pool,
  filter: RejectedFilter,
  after: RejectedRow | undefined,
  last: string
): Promise<RejectedRow[]> {
  const { rows } = await db.query<RejectedRow>(
    `SELECT *, received_at::text AS arrival FROM rejected_messages WHERE ${conditions} AND received_at <= $4::timestamptz
       AND ($5::timestamptz IS NULL OR (received_at, batch_id, message_index) > ($5, $6::uuid, $7::integer))
     ORDER BY received_at, batch_id, message_index LIMIT ${pageRows}`,
    [...valuesOf(filter), last, after?.arrival ?? null, after?.batch_id ?? null, after?.message_index ?? null]
  )
  return rows
}

async function forget(db: Pool, rows: readonly RejectedRow[]): Promise<void> {
  await db.query(
    `DELETE FROM rejected_messages WHERE (batch_id, message_index) IN
       (SELECT * FROM unnest($1::uuid[], $2::integer[]))`,
    [rows.map(({ batch_id }) => batch_id), rows.map(({ message_index }) => message_index)]
  )
}

/** The payload with its SamplingTime moved. Undefined when it has no SamplingTime that can be moved. */
function shifted(payload: Buffer, shiftUs: number): Buffer | undefined {
  if (shiftUs === 0) return payload
  try {
    const envelope = JSON.parse(payload.toString()) as { SamplingTime?: unknown } | null
    const timeUs = typeof envelope?.SamplingTime === 'string' ? parseTime(envelope.SamplingTime) : undefined
    if (timeUs === undefined) return undefined
    return Buffer.from(JSON.stringify({ ...envelope, SamplingTime: formatTime(timeUs + shiftUs) }))
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError || error instanceof RejectedError) return undefined
    throw error
  }
}

interface Message {
  readonly row: RejectedRow
  readonly payload: Buffer
}

/** Resolves when the database has answered for all of them. */
async function settled(ingest: Pick<Ingest, 'admit'>, messages: readonly Message[]): Promise<void> {
  if (messages.length === 0) return
  await new Promise<void>(resolve => {
    let open = messages.length
    const settle = (): void => {
      if (--open === 0) resolve()
    }
    for (const { row, payload } of messages) {
      // DUP: many of these messages may be stored already, or conflict with stored ones.
      const run = runOf({ topic: row.topic, payload, ticket: 1, dup: true })
      ingest.admit(sourceOf(row.identity, settle), run)
    }
  })
}

/** The sender at that time, as far as the ingest path needs it. */
function sourceOf(name: string, settle: () => void): Source {
  const identity: Identity = { name, role: 'edge', chargers: undefined, issuer: '', serial: '', validToMs: 0 }
  return { identity, settle, acknowledge() {} }
}
