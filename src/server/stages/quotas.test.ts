import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Pool } from 'pg'
import { IngestCounters } from '../../ingest/ingest.ts'
import { testStartup } from '../testing/startup.ts'
import { startQuotas } from './quotas.ts'

/** Runs the first check of the quotas over a pool that returns this connection. */
async function look(t: { mock: typeof import('node:test').mock }, connect: () => Promise<object>) {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const startup = testStartup()
  const evicted: string[] = []
  startQuotas(startup, {
    db: { connect } as unknown as Pool,
    dataPath: { ingest: { counters: new IngestCounters() } },
    recorder: { rejectedEvicted: (quota, count) => evicted.push(`${quota} ${count}`) }
  })
  t.mock.timers.tick(2_000)
  for (let turns = 0; turns < 20; turns++) await turn()
  await startup.lifetime.close()
  return { evicted, lines: startup.lines }
}

test('rejected messages that are deleted are counted and logged', async t => {
  const connect = async () => ({
    on() {},
    off() {},
    release() {},
    query: async (sql: string) =>
      sql.includes('DELETE') ? { rows: [], rowCount: 3 } : { rows: sql.includes('lock') ? [{ mine: true }] : [] }
  })
  assert.deepEqual(await look(t, connect), { evicted: ['recoverable 3'], lines: ['warn rejected_evicted'] })
})

test('quotas that cannot be kept are a warning', async t => {
  const found = await look(t, () => Promise.reject(new Error('no connection')))
  assert.deepEqual(found, { evicted: [], lines: ['warn rejected_quota_failed no connection'] })
})
