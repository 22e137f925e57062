// Noted changes: how their times go into the database and come back.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RecordedDb } from '../testing/recordedDb.ts'
import { chargersWithChanges, noteChanges, readChanges, settleChanges } from './changes.ts'
import { historyChangesMax } from './limits.ts'

const row = { id: '7', charger_id: 3, from_time: new Date(1_000), to_time: new Date(2_000) }
const range = { chargerId: 3, fromMs: 1_000, toMs: 2_001 }

describe('noted changes', () => {
  it('are ranges whose last time is within: a Date has no microseconds', async () => {
    const recorded = new RecordedDb([['FROM history_changes', [row]]])
    assert.deepEqual(await readChanges(recorded.db, [9]), { ids: ['7'], ranges: [range] })
    assert.deepEqual(recorded.asked[0]!.values, [[9], historyChangesMax])
  })

  it('go back as they came', async () => {
    const recorded = new RecordedDb()
    await noteChanges(recorded.db, [range])
    assert.deepEqual(recorded.asked[0]!.values, [[3], [new Date(1_000)], [new Date(2_000)]])
  })

  it('cost no statement where there is none', async () => {
    const recorded = new RecordedDb()
    await noteChanges(recorded.db, [])
    assert.deepEqual(recorded.asked, [])
  })

  it('are deleted in the transaction that notes what failed of them', async () => {
    const texts = async (failed: (typeof range)[]): Promise<string[]> => {
      const recorded = new RecordedDb()
      await settleChanges(recorded.db, ['7'], failed)
      return recorded.asked.map(({ text }) => text.split(' ')[0]!)
    }
    assert.deepEqual(await texts([range]), ['BEGIN', 'DELETE', 'WITH', 'COMMIT'])
    assert.deepEqual(await texts([]), ['BEGIN', 'DELETE', 'COMMIT'])
  })

  it('tell which chargers have some', async () => {
    const recorded = new RecordedDb([['DISTINCT charger_id', [{ id: 3 }]]])
    assert.deepEqual(await chargersWithChanges(recorded.db, [3, 4]), [3])
    assert.deepEqual(recorded.asked[0]!.values, [[3, 4]])
  })
})
