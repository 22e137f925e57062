// Which quarter hours are derived again, in a table and in a continuous aggregate.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RecordedDb } from '../testing/recordedDb.ts'
import { kindOfQuarterHours, type QuarterHours, refreshQuarterHours } from './quarterHours.ts'
import type { ChargerRange } from './ranges.ts'

const at = (clock: string): number => Date.parse(`2026-10-10T${clock}:00Z`)
const range = (chargerId: number, from: string, to: string): ChargerRange => {
  return { chargerId, fromMs: at(from), toMs: at(to) }
}
async function refresh(kind: QuarterHours, ranges: readonly ChargerRange[], now = '20:00') {
  const recorded = new RecordedDb()
  await refreshQuarterHours(recorded.db, kind, ranges, at(now))
  return recorded.asked
}

describe('quarter hours', () => {
  const kinds: [relkind: string, kind: QuarterHours][] = [
    ['v', 'continuous aggregate'],
    ['r', 'table'],
    ['p', 'table']
  ]
  for (const [kind, expected] of kinds) {
    it(`of relkind ${kind} are a ${expected}`, async () =>
      assert.equal(await kindOfQuarterHours(new RecordedDb([['relkind', [{ kind }]]]).db), expected))
  }

  it('of a table are derived by charger, as whole ones', async () => {
    const [asked] = await refresh('table', [range(1, '10:05', '10:20'), range(2, '11:00', '11:15')])
    assert.deepEqual(asked!.values, [
      [1, 2],
      ['2026-10-10T10:00:00.000Z', '2026-10-10T11:00:00.000Z'],
      ['2026-10-10T10:30:00.000Z', '2026-10-10T11:15:00.000Z']
    ])
  })

  it('of a table are derived a thousand ranges at a time', async () => {
    const sizes = async (count: number): Promise<number[]> => {
      const ranges = Array.from({ length: count }, (_, i) => range(i, '10:00', '10:15'))
      return (await refresh('table', ranges)).map(({ values }) => (values[0] as number[]).length)
    }
    assert.deepEqual(await sizes(0), [])
    assert.deepEqual(await sizes(1_000), [1_000])
    assert.deepEqual(await sizes(1_001), [1_000, 1])
  })

  const refreshed = async (ranges: readonly ChargerRange[], now: string): Promise<string[]> =>
    (await refresh('continuous aggregate', ranges, now)).map(({ text }) =>
      [...text.matchAll(/T(\d\d:\d\d):00\.000Z/g)].map(([, clock]) => clock).join('-')
    )

  it('of an aggregate are derived for all chargers together, each time once', async () => {
    const ranges = [range(2, '10:20', '10:40'), range(1, '10:05', '10:10'), range(3, '12:00', '12:15')]
    assert.deepEqual(await refreshed(ranges, '20:00'), ['10:00-10:45', '12:00-12:15'])
  })

  it('of an aggregate stay unmaterialized while rows of them still come unannounced: for ten minutes', async () => {
    const whole = [range(1, '10:00', '11:00')]
    assert.deepEqual(await refreshed(whole, '10:39'), ['10:00-10:15'])
    assert.deepEqual(await refreshed(whole, '10:40'), ['10:00-10:30'])
    assert.deepEqual(await refreshed(whole, '10:24'), [])
    assert.deepEqual(await refreshed(whole, '11:10'), ['10:00-11:00'])
  })
})
