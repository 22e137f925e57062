// Writes chargers with a week of history for the browser tests. The rows are written into the tables as received rows
// before the server starts, and the server derives the rest. The present state of the chargers is published afterwards.

import type pg from 'pg'
import type { operationStates } from '../../src/model/wire/chargerState.ts'

export interface SeededCharger {
  readonly name: string
  readonly site: string
  readonly label: string
  readonly card: string
  readonly now: (typeof operationStates)[number]
}

export const timeZone = 'Europe/Berlin'
const days = 6
const hourMs = 3_600_000
const stepMs = 60_000
const cards = ['04A2B3C4D5E680', '04F1E2D3C4B580', '0477889900AA80', '04C0FFEE112233', '0455AA66BB7780']
const states = [
  'charging',
  'charging',
  'idle',
  'charging',
  'scheduled_downtime',
  'idle',
  'charging',
  'unscheduled_downtime'
] as const

export const seededChargers: readonly SeededCharger[] = Array.from({ length: 16 }, (_, i) => {
  const [site, prefix] = i < 9 ? ['Harbour depot', 'harbour'] : ['City garage', 'city']
  const bay = i < 9 ? i + 1 : i - 8
  const now = states[(i * 5) % states.length]!
  return {
    name: `${prefix}-${String(bay).padStart(2, '0')}`,
    site: site!,
    label: `Bay ${bay}`,
    card: cards[i % cards.length]!,
    now
  }
})

export async function seedHistory(db: pg.ClientBase, nowMs: number): Promise<void> {
  await db.query(
    'INSERT INTO sites (name, time_zone) SELECT DISTINCT site, $2 FROM unnest($1::text[]) AS given (site)',
    [seededChargers.map(({ site }) => site), timeZone]
  )
  await db.query("INSERT INTO tariffs (name, price_per_kwh, currency) VALUES ('Fleet', 0.31, 'EUR')")
  await db.query(
    `INSERT INTO chargers (name, site, label, tariff)
     SELECT given.name, sites.id, given.label, 'Fleet'
     FROM unnest($1::text[], $2::text[], $3::text[]) AS given (name, site, label) JOIN sites ON sites.name = given.site`,
    [
      seededChargers.map(({ name }) => name),
      seededChargers.map(({ site }) => site),
      seededChargers.map(({ label }) => label)
    ]
  )
  await db.query('SELECT ensure_ev_readings_partitions($1, $2)', [
    new Date(nowMs - (days + 1) * 24 * hourMs),
    new Date(nowMs)
  ])
  for (const [i, charger] of seededChargers.entries()) {
    const rows = rowsOf(charger, i, nowMs)
    const column = (at: number) => rows.map(row => row[at])
    await db.query(
      `INSERT INTO ev_readings (charger_id, time, operation_state, total_energy_consumption, session_energy, power_output,
         output_current, maximum_output_current, connected_vehicle, charger_status)
       SELECT (SELECT id FROM chargers WHERE name = $1), given.*
       FROM unnest($2::timestamptz[], $3::operation_state[], $4::float8[], $5::float8[], $6::float8[], $7::float8[], $8::float8[],
         $9::text[], $10::text[]) AS given`,
      [charger.name, ...Array.from({ length: 9 }, (_, at) => column(at))]
    )
  }
}

type Row = readonly [Date, string, number, number, number, number, number, string, string]

/** Two sessions a day that ramp up, hold and taper off. The last session continues if the charger charges now. */
function rowsOf({ card, now }: SeededCharger, i: number, nowMs: number): Row[] {
  const rows: Row[] = []
  const plateau = [11_000, 7_400, 10_900, 3_700, 22_000][i % 5]!
  const phases = plateau < 4_000 || plateau === 7_400 ? 1 : 3
  let totalWh = 1_200_000 + i * 137_000
  let sessionWh = 0
  const write = (ms: number, isCharging: boolean, watts: number, rest: string): void => {
    const state = isCharging ? 'charging' : rest
    const word = isCharging ? 'Charging' : rest === 'idle' ? 'Idle' : 'Locked'
    const amperes = Math.round((watts / phases / 230) * 10) / 10
    rows.push([
      new Date(ms),
      state,
      Math.round(totalWh),
      Math.round(sessionWh),
      watts,
      amperes,
      plateau === 22_000 ? 32 : 16,
      isCharging ? card : '',
      word
    ])
  }
  for (const { fromMs, toMs } of sessionsOf(i, nowMs, now === 'charging')) {
    sessionWh = 0
    for (let ms = fromMs; ms < toMs; ms += stepMs) {
      const into = (ms - fromMs) / 60_000
      const left = toMs >= nowMs ? 60 : (toMs - ms) / 60_000
      const shape = Math.min(1, (into + 1) / 3, Math.max(0.12, left / 35))
      const watts = Math.round(plateau * shape * (0.985 + (((ms / stepMs) * 7 + i * 13) % 10) / 700))
      write(ms, true, watts, 'idle')
      totalWh += (watts * stepMs) / hourMs
      sessionWh += (watts * stepMs) / hourMs
    }
    if (toMs < nowMs) write(toMs, false, 0, 'idle')
  }
  if (now !== 'charging') write(nowMs - (20 + i) * 60_000, false, 0, now)
  return rows
}

function sessionsOf(i: number, nowMs: number, isCharging: boolean): { fromMs: number; toMs: number }[] {
  const found: { fromMs: number; toMs: number }[] = []
  const today = Math.floor(nowMs / (24 * hourMs)) * 24 * hourMs
  for (let day = days; day >= 0; day--) {
    for (const [hour, hours] of [
      [5 + (i % 4) * 0.7, 1.4 + (i % 3) * 0.5],
      [15.5 + (i % 5) * 0.6, 1.1 + ((i + day) % 4) * 0.45]
    ] as const) {
      const fromMs = today - day * 24 * hourMs + hour * hourMs
      const toMs = Math.floor((fromMs + hours * hourMs) / stepMs) * stepMs
      if (toMs < nowMs - 2 * hourMs) found.push({ fromMs: Math.floor(fromMs / stepMs) * stepMs, toMs })
    }
  }
  if (isCharging) found.push({ fromMs: Math.floor(nowMs / stepMs) * stepMs - (25 + i * 4) * 60_000, toMs: nowMs })
  return found
}
