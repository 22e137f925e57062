// Prints a readable line for each row that is committed to `ev_readings`. The rows are read back from the database.

import { Client } from 'pg'

export interface FollowOptions {
  readonly databaseUrl: string
  readonly chargers: readonly string[]
  readonly print: (line: string) => void
}

interface Row {
  readonly charger: string
  readonly time: Date
  readonly [column: string]: unknown
}

/** For each charger, the values by column. */
type Known = Map<string, Record<string, unknown>>

const intervalMs = 250

export function followRows({ databaseUrl, chargers, print }: FollowOptions): { stop(): Promise<void> } {
  const stopping = new AbortController()
  const following = follow(databaseUrl, chargers, print, stopping.signal)
  return {
    async stop() {
      stopping.abort()
      await following
    }
  }
}

async function follow(
  url: string,
  chargers: readonly string[],
  print: (line: string) => void,
  signal: AbortSignal
): Promise<void> {
  let known: Known | undefined
  const after = new Map(chargers.map(charger => [charger, new Date()]))
  const width = Math.max(...chargers.map(({ length }) => length))
  while (!signal.aborted) {
    const db = new Client({ connectionString: url, application_name: 'chargelift demo' })
    db.on('error', () => {}) // the pending query reports it
    try {
      await db.connect()
      known ??= await knownBefore(db, chargers)
      while (!signal.aborted) {
        for (const row of await newRows(db, after)) {
          after.set(row.charger, row.time)
          print(lineOf(row, merged(known, row), width))
        }
        await pause(signal)
      }
    } catch {
      await pause(signal) // the database is down, and rows wait in the Spool
    } finally {
      await db.end().catch(() => {})
    }
  }
}

const pause = (signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    const timer = setTimeout(resolve, intervalMs)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true }
    )
  })

async function newRows(db: Client, after: ReadonlyMap<string, Date>): Promise<Row[]> {
  const { rows } = await db.query<Row>(
    `SELECT chargers.name AS charger, readings.*
     FROM unnest($1::text[], $2::timestamptz[]) AS wanted (name, after)
     JOIN chargers ON chargers.name = wanted.name
     JOIN ev_readings readings ON readings.charger_id = chargers.id AND readings.time > wanted.after
     WHERE readings.time > $3 ORDER BY readings.time`,
    [[...after.keys()], [...after.values()], new Date(Math.min(...[...after.values()].map(Number)))]
  )
  return rows
}

/** Reads the values of earlier runs. New rows do not contain values that have not changed. */
async function knownBefore(db: Client, chargers: readonly string[]): Promise<Known> {
  const { rows } = await db.query<{ charger: string; column: string; value: unknown }>(
    `SELECT chargers.name AS charger, lower(regexp_replace(latest.name, '([a-z])([A-Z])', '\\1_\\2', 'g')) AS column, value
     FROM latest_readings latest JOIN chargers ON chargers.id = charger_id WHERE chargers.name = ANY($1)`,
    [chargers]
  )
  const known: Known = new Map()
  for (const { charger, column, value } of rows) known.set(charger, { ...known.get(charger), [column]: value })
  return known
}

/** Merges a row with the charger's known values, because a row holds only the values that have changed. */
function merged(known: Known, row: Row): Record<string, unknown> {
  const values = { ...known.get(row.charger) }
  for (const [column, value] of Object.entries(row)) if (value !== null) values[column] = value
  known.set(row.charger, values)
  return values
}

function lineOf({ charger, time }: Row, values: Record<string, unknown>, width: number): string {
  const parts = [
    time.toISOString().slice(11, 19),
    charger.padEnd(width),
    String(values.operation_state ?? 'unknown').padEnd(8),
    `${thousandths(values.power_output, 2)} kW`.padStart(9),
    `session ${thousandths(values.session_energy, 3)} kWh`.padStart(18),
    `total ${thousandths(values.total_energy_consumption, 3)} kWh`.padStart(18),
    String(values.charger_status ?? '').padEnd(16),
    values.connected_vehicle ? `card ${values.connected_vehicle}` : ''
  ]
  return parts.join('  ').trimEnd()
}

const thousandths = (value: unknown, digits: number): string =>
  typeof value === 'number' ? (value / 1000).toFixed(digits) : '-'
