// The newest rows of a charger: how far back the query searches, and which values a row holds.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { valueSpecs } from '../../model/wire/chargerState.ts'
import { RecordedDb } from '../testing/recordedDb.ts'
import { newestRows } from './rawRows.ts'

const newestUs = Date.parse('2026-10-10T00:00:00Z') * 1000
const row = (us: number, told: Readonly<Record<string, number | string>> = {}): unknown[] => [
  String(us),
  ...valueSpecs.map(({ column }) => told[column] ?? null)
]

/** How many days back each query searched, when the queries found `counts` rows. */
async function looks(counts: readonly number[], limit: number) {
  let look = 0
  const recorded = new RecordedDb([
    ['FROM ev_readings', () => Array.from({ length: counts[look++]! }, (_, i) => row(newestUs - i))]
  ])
  const rows = await newestRows(recorded.db, 'w1', newestUs, limit)
  const days = recorded.asked.map(({ values }) => {
    return (newestUs - Math.max(0, Date.parse(values[1] as string) * 1000)) / 86_400_000_000
  })
  return { days, found: rows.length }
}

describe('the newest rows', () => {
  const cases: [counts: number[], days: number[], found: number][] = [
    [[3], [1], 3],
    [[2, 3], [1, 7], 3],
    [[0, 2, 3], [1, 7, 60], 3],
    // The last query returns what it finds. No row is older than the epoch.
    [[0, 0, 0, 1], [1, 7, 60, newestUs / 86_400_000_000], 1],
    [[0, 0, 0, 0], [1, 7, 60, newestUs / 86_400_000_000], 0]
  ]
  for (const [counts, days, found] of cases) {
    it(`of 3 where ${counts} are found by look: looks back ${days.map(Math.floor)} days`, async () =>
      assert.deepEqual(await looks(counts, 3), { days, found }))
  }

  it('have the values that were told, zero and empty ones too', async () => {
    const told = row(newestUs + 7, { power_output: 0, connected_vehicle: '' })
    const { db } = new RecordedDb([['FROM ev_readings', [told]]])
    assert.deepEqual(await newestRows(db, 'w1', newestUs, 1), [
      { time: '2026-10-10T00:00:00.000007Z', values: { PowerOutput: 0, ConnectedVehicle: '' } }
    ])
  })
})
