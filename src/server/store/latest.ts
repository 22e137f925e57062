// The memory of the shadow: reads it from the database at the start, and writes it behind, coalesced, at most once a
// second. A failed write costs only freshness: its entries go with the next write.

import type { Pool } from 'pg'
import type { ShadowEntry } from '../../broker/shadow.ts'
import { type Newest, payloadOf } from '../../model/server/admission.ts'
import { valueSpecs } from '../../model/wire/chargerState.ts'
import { formatTime, type Value } from '../../model/wire/envelope.ts'
import { edgeStatusName, parseTopic, topicOf } from '../../model/wire/topics.ts'
import { WriteBehind } from './writeBehind.ts'

const writeIntervalMs = 1_000
/** With 24,000 topics a second that move forward, a write each second costs 5 to 8 % of the main thread. */
const writeIntervalMaxMs = 10_000
/**
 * A killed server had not written the newest values behind. Such values are newer than the known ones of their charger,
 * or a little older when its values arrived out of order. The margin counts from the charger's newest value, not from
 * now: samples may be old when they arrive.
 */
const topUpMargin = "interval '5 minutes'"

const microseconds = (column: string): string => `(extract(epoch FROM ${column}) * 1000000)::bigint::text`

/** The newest stored value of every topic, in parts that the shadow can take in any order. */
export async function* loadLatest(db: Pool): AsyncGenerator<Newest> {
  const { rows } = await db.query<ChargerRow | LatestRow>(
    `SELECT chargers.id, chargers.name AS charger, latest.name, ${microseconds('time')} AS time_us, value
     FROM chargers LEFT JOIN latest_readings latest ON latest.charger_id = chargers.id`
  )
  yield newestOf(rows.filter(isLatest))
  for (const known of byDay(rows)) yield toppedUp(await topUp(db, known))
  yield statusesOf(
    await db.query<StatusRow>(
      `SELECT chargers.name AS charger, ${microseconds('time')} AS time_us, status
       FROM edge_status JOIN chargers ON chargers.id = charger_id`
    )
  )
}

interface ChargerRow {
  id: number
  charger: string
  name: null
}

interface LatestRow {
  id: number
  charger: string
  name: string
  time_us: string
  value: Value
}

const isLatest = (row: ChargerRow | LatestRow): row is LatestRow => row.name !== null

const dayUs = 86_400_000_000

/** Chargers by day: their ids, and the newest time known of each (-Infinity for none). */
function byDay(rows: readonly (ChargerRow | LatestRow)[]): Map<number, number>[] {
  const newestUs = new Map<number, number>()
  for (const row of rows) {
    const timeUs = isLatest(row) ? Number(row.time_us) : Number.NEGATIVE_INFINITY
    newestUs.set(row.id, Math.max(timeUs, newestUs.get(row.id) ?? Number.NEGATIVE_INFINITY))
  }
  const days = new Map<number, Map<number, number>>()
  for (const [id, timeUs] of newestUs) {
    const day = Math.floor(timeUs / dayUs)
    days.set(day, (days.get(day) ?? new Map()).set(id, timeUs))
  }
  return [...days.values()]
}

/**
 * What is stored of these chargers since their known times. The common bound is a constant for the planner: without it,
 * the plan joins the whole table, or asks every chunk for every charger. The inner aggregate keeps the planner from
 * flattening the look-ups.
 */
async function topUp(db: Pool, known: ReadonlyMap<number, number>): Promise<TopUpRow[]> {
  const { rows } = await db.query<TopUpRow>({
    rowMode: 'array',
    text: `
      SELECT chargers.name, recent.*
      FROM unnest($1::integer[], $2::timestamptz[]) AS known (charger_id, time)
      JOIN chargers ON chargers.id = known.charger_id
      CROSS JOIN LATERAL (
        SELECT ${valueSpecs.map(({ column }) => `${newest(column)}, ${newestTime(column)}`).join(', ')}
        FROM ev_readings stored
        WHERE stored.charger_id = known.charger_id AND stored.time > known.time - ${topUpMargin}
          AND stored.time > $3::timestamptz - ${topUpMargin}) recent`,
    values: [
      [...known.keys()],
      Array.from(known.values(), timeOf),
      timeOf([...known.values()].reduce((a, b) => Math.min(a, b)))
    ]
  })
  return rows
}

const timeOf = (timeUs: number): string => (timeUs === Number.NEGATIVE_INFINITY ? '-infinity' : formatTime(timeUs))

const newest = (column: string): string =>
  `to_jsonb((array_agg(${column} ORDER BY time DESC) FILTER (WHERE ${column} IS NOT NULL))[1])`
const newestTime = (column: string): string => microseconds(`max(time) FILTER (WHERE ${column} IS NOT NULL)`)

/** A charger's name, then for each value the newest one and its time, or null twice. */
type TopUpRow = [charger: string, ...(Value | null)[]]

const toppedUp = (rows: readonly TopUpRow[]): Newest =>
  newestOf(
    rows.flatMap(([charger, ...fields]) =>
      valueSpecs.flatMap(({ name }, i) => {
        const [value, time_us] = fields.slice(2 * i, 2 * i + 2) as [Value | null, string | null]
        return value === null || time_us === null ? [] : [{ charger, name, time_us, value }]
      })
    )
  )

interface StatusRow {
  charger: string
  time_us: string
  status: object
}

const newestOf = (rows: readonly Omit<LatestRow, 'id'>[]): Newest => ({
  topics: rows.map(({ charger, name }) => topicOf(charger, name)),
  timesUs: Float64Array.from(rows, ({ time_us }) => Number(time_us)),
  payloads: rows.map(({ time_us, value }) => payloadOf({ timeUs: Number(time_us), value }))
})

const statusesOf = ({ rows }: { rows: StatusRow[] }): Newest => ({
  topics: rows.map(({ charger }) => topicOf(charger, edgeStatusName)),
  timesUs: Float64Array.from(rows, ({ time_us }) => Number(time_us)),
  payloads: rows.map(({ status }) => JSON.stringify(status))
})

export class LatestWriter {
  readonly #behind: WriteBehind<ShadowEntry>

  constructor(db: Pool, failed: (error: Error) => void) {
    this.#behind = new WriteBehind({
      intervalMs: writeIntervalMs,
      intervalMaxMs: writeIntervalMaxMs,
      write: part => upsertLatest(db, part),
      failed
    })
  }

  /** For a topic that this server moved forward. EdgeStatus has its own table, written with its batch. */
  note(topic: string, entry: ShadowEntry): void {
    if (!topic.endsWith(`/${edgeStatusName}`)) this.#behind.note(topic, entry)
  }

  /** Writes the entries that wait, then ends. */
  close(): Promise<void> {
    return this.#behind.close()
  }
}

/** In the order of the key: otherwise two servers could deadlock. */
async function upsertLatest(db: Pool, entries: readonly [string, ShadowEntry][]): Promise<void> {
  const topics = entries.map(([topic]) => parseTopic(topic)!)
  await db.query(
    `INSERT INTO latest_readings AS stored (charger_id, name, time, value)
     SELECT chargers.id, entry.name, entry.time, entry.payload -> 'Value'
     FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::jsonb[]) AS entry (charger, name, time, payload)
     JOIN chargers ON chargers.name = entry.charger
     ORDER BY chargers.id, entry.name
     ON CONFLICT (charger_id, name) DO UPDATE SET time = excluded.time, value = excluded.value
     WHERE excluded.time > stored.time`,
    [
      topics.map(({ charger }) => charger),
      topics.map(({ name }) => name),
      entries.map(([, { timeUs }]) => formatTime(timeUs)),
      entries.map(([, { payload }]) => payload)
    ]
  )
}
