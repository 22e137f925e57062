// Tests which parts of an event are stored, and how many events of strangers and of known identities are kept.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecordedDb } from '../../history/testing/recordedDb.ts'
import { type AuditRow, evictAudit, upsertAudit } from './auditRows.ts'
import { auditDaysMax, auditKnownRowsMax, auditStrangerRowsMax } from './limits.ts'

const row = (more: Partial<AuditRow> = {}): AuditRow => ({
  id: 'id',
  atMs: 1,
  lastAtMs: 2,
  count: 3,
  event: 'denied',
  rule: 'publish_topic',
  identity: 'c1',
  serial: '0A',
  address: '10.0.0.1:5',
  reason: 'why',
  node: 'n1',
  ...more
})

async function storedOf(more: Partial<AuditRow>): Promise<unknown[]> {
  const recorded = new RecordedDb()
  await upsertAudit(recorded.db, [row(more)])
  return recorded.asked[0]!.values.map(column => (column as unknown[])[0])
}

test('a row is stored as it is', async () => {
  assert.deepEqual(await storedOf({}), [
    ...['id', new Date(1), new Date(2), 3, 'denied', 'publish_topic', 'c1', '0A', '10.0.0.1:5', 'why', 'n1']
  ])
})

test('a count stays within an integer of the database', async () => {
  assert.equal((await storedOf({ count: 2_147_483_647 }))[3], 2_147_483_647)
  assert.equal((await storedOf({ count: 2_147_483_648 }))[3], 2_147_483_647)
})

test('a text of an attacker that the database would refuse is stored, too', async () => {
  const stored = await storedOf({ identity: 'a\0b', serial: '\ud800', address: '\0', reason: 'x\udfffy' })
  assert.deepEqual(stored.slice(6, 10), ['a?b', '\ufffd', '?', 'x\ufffdy'])
})

test('strangers and known identities have a quota each, and what went is told', async () => {
  const evicted: [string, number][] = []
  const recorded = new RecordedDb([['DELETE', ([isStrangers]) => (isStrangers === true ? [{}, {}] : [])]])
  await evictAudit(recorded.db, (quota, count) => evicted.push([quota, count]))
  assert.deepEqual(
    recorded.asked.map(({ values }) => values),
    [
      [true, auditStrangerRowsMax, auditDaysMax],
      [false, auditKnownRowsMax, auditDaysMax]
    ]
  )
  assert.deepEqual(evicted, [['strangers', 2]])
})
