// The missing data of a month: the problems from three sources together, in order.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecordedDb } from '../testing/recordedDb.ts'
import { monthProblems } from './monthProblems.ts'

const fromMs = Date.parse('2026-10-01T00:00:00Z')
const toMs = Date.parse('2026-11-01T00:00:00Z')

test('what is missing is told by charger, from the backlogs, from what is not derived, and from the gaps', async () => {
  const recorded = new RecordedDb([
    ['OldestUnsent', [{ charger: 'w3', problem: 'backlog' }]],
    [
      'history_changes',
      [
        { charger: 'w2', problem: 'late' },
        { charger: 'all', problem: 'not derived' }
      ]
    ],
    ['quarter_hours', [{ charger: 'w1', problem: 'a gap' }]]
  ])
  assert.deepEqual(await monthProblems(recorded.db, [1, 2], fromMs, toMs), [
    { charger: 'all', problem: 'not derived' },
    { charger: 'w1', problem: 'a gap' },
    { charger: 'w2', problem: 'late' },
    { charger: 'w3', problem: 'backlog' }
  ])
  const [backlogs, underived, gaps] = recorded.asked
  assert.deepEqual(backlogs!.values, [[1, 2], new Date(toMs)])
  assert.deepEqual(underived!.values, [[1, 2], new Date(toMs)])
  assert.deepEqual(gaps!.values, [[1, 2], new Date(fromMs), new Date(toMs)])
})

test('problems of one charger keep the order of their sources', async () => {
  const recorded = new RecordedDb([
    ['OldestUnsent', [{ charger: 'w1', problem: 'backlog' }]],
    ['quarter_hours', [{ charger: 'w1', problem: 'a gap' }]]
  ])
  const found = await monthProblems(recorded.db, [1], fromMs, toMs)
  assert.deepEqual(
    found.map(({ problem }) => problem),
    ['backlog', 'a gap']
  )
})

test('a month with all of its data has no problem', async () => {
  assert.deepEqual(await monthProblems(new RecordedDb().db, [1], fromMs, toMs), [])
})
