import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pool } from 'pg'
import { pino } from 'pino'
import type { SecurityEvent } from '../../model/server/security.ts'
import { Audit } from './audit.ts'
import { auditKeysMax, auditWaitingMax, auditWindowMs } from './limits.ts'

/** An audit with the test's clock and log, and a database that keeps all rows. */
function open() {
  const clock = { ms: 1_000_000 }
  const lines: Record<string, unknown>[] = []
  const stored = new Map<string, { count: number; event: string; rule: string | null; identity: string }>()
  const database = { isAway: false }
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const audit = new Audit({ log, node: 'n1', now: () => clock.ms })
  const db = {
    query: async (sql: string, values: unknown[][]) => {
      if (database.isAway) throw new Error('away')
      if (!sql.startsWith('INSERT')) return { rowCount: 0 }
      const [ids, , , counts, events, rules, identities] = values as [
        string[],
        0,
        0,
        number[],
        string[],
        string[],
        string[]
      ]
      ids.forEach((id, i) => {
        stored.set(id, { count: counts[i]!, event: events[i]!, rule: rules[i]!, identity: identities[i]! })
      })
      return { rowCount: ids.length }
    }
  } as unknown as Pool
  audit.storeIn(db)
  return { audit, clock, lines, stored, database, rows: () => [...stored.values()] }
}

const denied = (address: string, identity = '', reason = 'expected a, found b'): SecurityEvent => ({
  event: 'denied',
  rule: 'no_certificate',
  reason,
  identity,
  serial: '',
  address
})

test('an event is its log line: stable name, identity, serial, address, reason', () => {
  const { audit, lines } = open()
  const peer = { identity: 'c1', serial: '0A', address: '10.0.0.1:5' }
  audit.report({ event: 'connected', ...peer, role: 'edge', clientId: 'c1:x' })
  audit.report({ event: 'denied', ...peer, rule: 'publish_topic', reason: 'expected x, found y' })
  audit.report({ event: 'revoked', ...peer, reason: 'its certificate was revoked' })
  audit.report({ event: 'reload_failed', files: ['crl.pem'], reason: 'a CRL of another CA' })
  assert.deepEqual(
    lines.map(({ time, pid, hostname, ...line }) => line),
    [
      { level: 30, event: 'connected', ...peer, role: 'edge', clientId: 'c1:x', msg: 'connected' },
      { level: 40, event: 'denied', ...peer, rule: 'publish_topic', reason: 'expected x, found y', msg: 'denied' },
      { level: 40, event: 'revoked', ...peer, reason: 'its certificate was revoked', msg: 'revoked' },
      { level: 50, event: 'reload_failed', files: ['crl.pem'], reason: 'a CRL of another CA', msg: 'reload_failed' }
    ]
  )
})

test('a flood from one address is a few lines, one row with its count, and exact in the counter', async () => {
  const { audit, lines, rows } = open()
  for (let i = 0; i < 12_345; i++) audit.report(denied(`10.0.0.1:${i}`))
  await audit.close()
  assert.deepEqual(
    lines.map(({ count }) => count ?? 1),
    [1, 2, 3, 4, 5, 10, 100, 1_000, 10_000]
  )
  assert.deepEqual(rows(), [{ count: 12_345, event: 'denied', rule: 'no_certificate', identity: '' }])
  assert.equal(audit.denied.get('no_certificate'), 12_345)
})

test('a known identity is told apart by its name wherever it comes from, a stranger by his network', async () => {
  const { audit, rows } = open()
  for (const address of ['10.0.0.1:1', '10.0.0.2:1']) audit.report(denied(address, 'c1'))
  for (const host of ['10.0.0.1', '10.0.0.2', '2001:db8::1', '2001:db8::2', '2001:db8:0:1::1'])
    audit.report(denied(`${host}:1`))
  await audit.close()
  const counts = rows().map(({ identity, count }) => `${identity} ${count}`)
  assert.deepEqual(counts.sort(), [' 1', ' 1', ' 1', ' 2', 'c1 2'])
})

test('after its window the same is a row and a line again', async () => {
  const { audit, clock, lines, rows } = open()
  for (let i = 0; i < 8; i++) audit.report(denied('10.0.0.1:1'))
  clock.ms += auditWindowMs
  audit.report(denied('10.0.0.1:1'))
  await audit.close()
  assert.deepEqual(
    rows().map(({ count }) => count),
    [8, 1]
  )
  assert.equal(lines.length, 6)
})

test('strangers from everywhere fill neither memory nor log; none is uncounted', async () => {
  const { audit, lines, rows } = open()
  const strangers = 3 * auditKeysMax
  for (let i = 0; i < strangers; i++) audit.report(denied(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:1`))
  assert.equal(audit.waiting, auditKeysMax + 1)
  await audit.close()
  assert.ok(lines.length < auditKeysMax + 20, `${lines.length}`)
  const counts = rows().map(({ count }) => count)
  assert.equal(
    counts.reduce((sum, count) => sum + count),
    strangers
  )
  assert.equal(Math.max(...counts), strangers - auditKeysMax)
})

test('while the database is away what waits is bounded, and all is written when it is back', async () => {
  const { audit, clock, database, rows } = open()
  database.isAway = true
  let reported = 0
  for (let window = 0; window < 5; window++) {
    for (let i = 0; i < auditKeysMax; i++, reported++) audit.report(denied(`10.0.${i >> 8}.${i & 255}:1`))
    clock.ms += auditWindowMs
  }
  await audit.close()
  assert.ok(audit.waiting <= auditWaitingMax + 1, `${audit.waiting}`)
  database.isAway = false
  await audit.close()
  assert.equal(audit.waiting, 0)
  assert.equal(
    rows().reduce((sum, { count }) => sum + count, 0),
    reported
  )
})

test('one identity that flaps does not fill the log with its comings and goings', () => {
  const { audit, lines } = open()
  const peer = { serial: '', address: '10.0.0.1:1' }
  for (let i = 0; i < 500; i++) {
    audit.report({ event: 'connected', identity: 'c1', ...peer, role: 'edge', clientId: 'c1' })
    audit.report({ event: 'disconnected', identity: 'c1', ...peer, clientId: 'c1' })
  }
  audit.report({ event: 'connected', identity: 'c2', ...peer, role: 'edge', clientId: 'c2' })
  assert.equal(lines.length, 8 + 1)
})

test('handshakes are counted by outcome, the ones that never happened too', () => {
  const { audit } = open()
  for (const outcome of ['full', 'resumed', 'resumed'] as const) audit.report({ event: 'handshake', outcome })
  assert.deepEqual(Object.fromEntries(audit.handshakes), {
    full: 1,
    resumed: 2,
    refused: 0,
    failed: 0,
    timeout: 0,
    overload: 0
  })
})

test('quotas are looked at with the first rows, then every hour, or after 10,000 rows', async () => {
  const clock = { ms: 1_000_000 }
  let looks = 0
  const db = {
    query: async (sql: string) => {
      if (sql.startsWith('DELETE')) looks++
      return { rowCount: 1 }
    }
  } as unknown as Pool
  /** Reports and writes `count` events of different identities. Returns the number of checks of the quotas. */
  const looksAfter = async (count: number, ms: number): Promise<number> => {
    clock.ms += ms
    looks = 0
    for (let i = 0; i < count; i++) audit.report(denied('10.0.0.1:1', `c${clock.ms}-${i}`))
    await audit.close()
    return looks / 2 // each check deletes twice: for strangers and for known identities
  }
  const audit = new Audit({ log: pino({ level: 'silent' }), node: 'n1', now: () => clock.ms })
  audit.storeIn(db)
  assert.equal(await looksAfter(1, 0), 1)
  assert.equal(await looksAfter(1, 3_599_999), 0)
  assert.equal(await looksAfter(1, 1), 1, 'an hour after the last look')
  assert.equal(await looksAfter(9_999, 1), 0)
  assert.equal(await looksAfter(1, 1), 1, '10,000 rows after the last look')
  assert.deepEqual(
    [...audit.evicted],
    [
      ['strangers', 3],
      ['known', 3]
    ]
  )
})

test('the same again is told the first five times, then each power of ten', () => {
  const { audit, lines } = open()
  for (let i = 0; i < 1_000; i++) audit.report(denied('10.0.0.1:1', 'c1'))
  assert.deepEqual(
    lines.map(({ count = 1 }) => count),
    [1, 2, 3, 4, 5, 10, 100, 1_000]
  )
})
