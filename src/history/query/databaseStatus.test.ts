// The status of a database with TimescaleDB, with another licence, and without TimescaleDB.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Answer, RecordedDb } from '../testing/recordedDb.ts'
import { backgroundJobs, databaseStatus, failedJobs } from './databaseStatus.ts'

const state = { ran_at: null, took_ms: null, node: null, failure: null, derived_to: null, raw_from: null, waiting: 3 }
const base = (isHyper: boolean): Answer[] => [
  ['pg_partitioned_table', [{ yes: isHyper }]],
  ['AS kind FROM pg_class', [{ kind: isHyper ? 'v' : 'r' }]],
  ['schema_migrations', [{ version: 40 }]],
  ['pg_total_relation_size', [{ name: 'ev_readings', bytes: 1, rows: null }]],
  ['FROM history_state', [state]],
  ['IS NOT NULL AS installed', [{ installed: isHyper }]],
  ['pg_inherits', [{ count: 2, oldest: null, newest: null }]],
  ['timescaledb_information.chunks', [{ count: 5, oldest: new Date(1), newest: new Date(2) }]]
]
const statusOf = (isHyper: boolean, ...more: Answer[]) => databaseStatus(new RecordedDb([...more, ...base(isHyper)]).db)

describe('the status of a database', () => {
  it('without TimescaleDB has partitions, and neither compression nor jobs', async () => {
    const status = await statusOf(false)
    assert.deepEqual(
      [status.hypertable, status.quarterHours, status.columnstore, status.compression, status.jobs],
      [false, 'table', undefined, undefined, []]
    )
    assert.deepEqual(status.days, { count: 2, oldest: undefined, newest: undefined })
    assert.deepEqual(status.relations, [{ name: 'ev_readings', bytes: 1, rows: undefined }])
    assert.deepEqual([status.maintenance.ranAt, status.maintenance.changesWaiting], [undefined, 3])
  })

  const compressions: [what: string, row: object, found: unknown][] = [
    ['compressed days', { days: 4, before: 100, after: 10 }, { days: 4, bytesBefore: 100, bytesAfter: 10, ratio: 10 }],
    ['no compressed day', { days: 0, before: 0, after: 0 }, undefined],
    ['no statistics', { days: null, before: null, after: null }, undefined]
  ]
  for (const [what, row, found] of compressions) {
    it(`with ${what} tells ${found === undefined ? 'no ratio' : 'its ratio'}`, async () => {
      const status = await statusOf(
        true,
        ['hypertable_compression_stats', [row]],
        ['compression_enabled', [{ on: true, seconds: 7 * 86_400 }]]
      )
      assert.deepEqual(status.compression, found)
      assert.deepEqual(status.columnstore, { afterDays: 7 })
      assert.equal(status.quarterHours, 'continuous aggregate')
    })
  }

  const licences: [row: object, found: unknown][] = [
    [{ on: false, seconds: null }, undefined],
    [{ on: true, seconds: null }, { afterDays: undefined }],
    [{ on: true, seconds: 43_200 }, { afterDays: 0.5 }]
  ]
  for (const [row, found] of licences) {
    it(`with a columnstore of ${JSON.stringify(row)} tells ${JSON.stringify(found)}`, async () => {
      const { columnstore } = await statusOf(
        true,
        ['hypertable_compression_stats', [{ days: null }]],
        ['compression_enabled', [row]]
      )
      assert.deepEqual(columnstore, found)
    })
  }
})

describe('background jobs', () => {
  const job = (id: number, relation: string | null, status: string | null): object => {
    return { id, name: 'n', relation, status, last_run: null, runs: null, failures: null, error: null }
  }
  const db = (installed: boolean): never =>
    new RecordedDb([
      ['AS installed', [{ installed }]],
      [
        'jobs job',
        [job(1, 'ev_readings', 'Failed'), job(2, null, 'Failed'), job(3, 'ev_readings', 'Success'), job(4, 'x', null)]
      ]
    ]).db

  it('are none without TimescaleDB', async () => assert.deepEqual(await backgroundJobs(db(false)), []))

  it('that never ran have no numbers', async () => {
    assert.deepEqual((await backgroundJobs(db(true)))[3], {
      id: 4,
      name: 'n',
      relation: 'x',
      lastStatus: undefined,
      lastRun: undefined,
      runs: 0,
      failures: 0,
      lastError: undefined
    })
  })

  it('fail when their last run did, and count when they are on a table of ours', async () => {
    assert.deepEqual(
      (await failedJobs(db(true))).map(({ id }) => id),
      [1]
    )
  })
})
