// Which days of raw rows are dropped, and when no day is dropped.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RecordedDb } from '../testing/recordedDb.ts'
import { dropRawRows } from './retention.ts'

async function drop(before: string, state: { underived: boolean; any_row: boolean }): Promise<string[]> {
  const recorded = new RecordedDb([['AS underived', [state]]])
  await dropRawRows(recorded.db, Date.parse(before))
  return recorded.asked.slice(1).map(({ text }) => text)
}
const ready = { underived: false, any_row: true }
const dropped = (text: readonly string[]): string | undefined =>
  /drop_ev_readings_before\('(.+)'\)/.exec(text.join('\n'))?.[1]

describe('the end of raw rows', () => {
  const days: [before: string, day: string][] = [
    ['2026-10-10T00:00:00.000Z', '2026-10-10T00:00:00.000Z'],
    ['2026-10-10T00:00:00.001Z', '2026-10-10T00:00:00.000Z'],
    ['2026-10-10T23:59:59.999Z', '2026-10-10T00:00:00.000Z'],
    ['2026-10-09T23:59:59.999Z', '2026-10-09T00:00:00.000Z']
  ]
  for (const [before, day] of days) {
    it(`older than ${before} drops the days that end before ${day}`, async () =>
      assert.equal(dropped(await drop(before, ready)), day))
  }

  it('is noted before the rows are gone, in one transaction that waits for no writer', async () => {
    assert.deepEqual(await drop('2026-10-10T12:00:00Z', ready), [
      'BEGIN',
      "SET LOCAL lock_timeout = '5s'",
      "UPDATE history_state SET raw_from = greatest(raw_from, '2026-10-10T00:00:00.000Z')",
      "SELECT drop_ev_readings_before('2026-10-10T00:00:00.000Z')",
      'COMMIT'
    ])
  })

  it('waits while late rows of these days are not derived', async () =>
    assert.deepEqual(await drop('2026-10-10T12:00:00Z', { underived: true, any_row: true }), []))

  it('costs nothing where there is no such row', async () =>
    assert.deepEqual(await drop('2026-10-10T12:00:00Z', { underived: false, any_row: false }), []))
})
