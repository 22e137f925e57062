import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { SessionRecord } from '../chargers/charger.ts'
import { isDeliverable, recordedWh } from './gap.ts'

const hourMs = 3_600_000

/** A session. `from` and `to` are hours after the gap began. Without `to`, the session still runs. */
const session = (from: number, to: number | undefined, energyWh: number, card?: string): SessionRecord => ({
  startMs: from * hourMs,
  ...(to === undefined ? {} : { endMs: to * hourMs }),
  energyWh,
  ...(card === undefined ? {} : { card })
})

describe('what the records say was delivered in a gap', () => {
  type Row = [last: number, now: number, addedWh: number, records: SessionRecord[], expected: number]
  const table: Record<string, Row> = {
    'no records: what the counter says': [5_000, 6_000, 1_000, [], 1_000],
    'nothing happened: the last session is still shown': [5_000, 5_000, 0, [session(-3, -2, 5_000)], 0],
    'the session went on and ended': [5_000, 9_000, 4_000, [session(-3, 2, 9_000)], 4_000],
    'the session still runs': [5_000, 9_000, 4_000, [session(-3, undefined, 9_000)], 4_000],
    'one session came and is shown': [5_000, 7_000, 2_000, [session(-3, -2, 5_000), session(1, 2, 7_000)], 7_000],
    'it ended, another came, a third is shown': [
      5_000,
      300,
      300,
      [session(-3, 1, 9_000), session(2, 3, 20_000), session(4, 5, 300)],
      4_000 + 20_000 + 300
    ],
    'it ended, another came, a third runs': [
      5_000,
      300,
      300,
      [session(-3, 1, 9_000), session(2, 3, 20_000), session(4, undefined, 300)],
      4_000 + 20_000 + 300
    ],
    'the last was over before the gap, two came, and the box was started anew': [
      5_000,
      0,
      0,
      [session(-3, -2, 5_000), session(1, 2, 7_000), session(3, 4, 8_000)],
      15_000
    ],
    'of two sessions with the same energy the newer one is the last': [
      5_000,
      0,
      0,
      [session(-6, -5, 5_000), session(-3, -2, 5_000), session(1, 2, 700)],
      700
    ],
    'the list begins later than the gap': [5_000, 100, 100, [session(5, 6, 8_000)], 8_100],
    'in any order, and cut to whole Wh': [
      5_000.6,
      7_000.2,
      1_999.6,
      [session(1, 2, 7_000), session(-3, -2, 5_000)],
      7_000
    ]
  }
  for (const [name, [last, now, addedWh, records, expected]] of Object.entries(table)) {
    test(name, () => {
      const gap = { sinceMs: 0, last: { energyWh: last }, now: { energyWh: now }, addedWh }
      assert.equal(recordedWh(gap, records), expected)
    })
  }
})

test('a session of another card is not the one that was shown', () => {
  const gap = { sinceMs: 0, last: { energyWh: 500, card: 'A' }, now: { energyWh: 0 }, addedWh: 0 }
  assert.equal(recordedWh(gap, [session(1, 2, 500, 'B')]), 500)
  assert.equal(recordedWh(gap, [session(-2, -1, 500, 'A'), session(1, 2, 500, 'B')]), 500)
})

test('no more is believed than a charger can deliver in that time', () => {
  assert.equal(isDeliverable(50_000, hourMs), true)
  assert.equal(isDeliverable(52_000, hourMs), false)
})
