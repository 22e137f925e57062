import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Shadow } from '../../broker/shadow.ts'
import type { HistoryThread } from '../../history/derive/historyThread.ts'
import { type Ingest, IngestCounters, type IngestOptions } from '../../ingest/ingest.ts'
import { Budget } from '../../model/server/budget.ts'
import { testStartup } from '../testing/startup.ts'
import { startIngest } from './ingest.ts'

function open() {
  const startup = testStartup({ workers: 3 })
  const told: string[] = []
  const shadow = new Shadow()
  shadow.watch((topic, _entry, mover) => told.push(`${topic} ${mover}`))
  const recorder = {
    batchStored: (seconds: number, rows: number) => told.push(`stored ${rows} in ${seconds}`),
    acknowledged: () => told.push('acknowledged')
  }
  let options: IngestOptions | undefined
  let committed = (): number => -1
  const ingest = { counters: new IngestCounters() } as Ingest
  const needs = { databaseUrl: 'url', budget: new Budget(1), shadow, recorder }
  startIngest(startup, needs, {
    ingest: given => {
      options = given
      return ingest
    },
    maintenance: given => {
      committed = given.committed
      return { start: () => async () => void told.push('thread ended') } as unknown as HistoryThread
    }
  })
  return { startup, told, ingest, options: options!, committed }
}

test('what is committed moves the shadow', () => {
  const { options, told } = open()
  assert.deepEqual([options.workers, options.databaseUrl], [3, 'url'])
  options.committed({ topics: ['chargers/c1/PowerOutput'], timesUs: Float64Array.of(1), payloads: ['a'] })
  assert.deepEqual(told, ['chargers/c1/PowerOutput committed'])
})

test('batches are counted; one that is kept is told once, and that all is stored again', () => {
  const { options, told, startup } = open()
  options.report.stored({ rows: 7 } as never, 0.5, {} as never)
  options.report.acknowledged({} as never, new Uint8Array())
  const reason = { code: 'database_away', message: 'no answer' }
  options.report.kept(reason as never, 1)
  assert.deepEqual(startup.lines, ['warn batch_kept no answer'])
  for (const attempt of [2, 3]) options.report.kept(reason as never, attempt)
  options.report.recovered()
  assert.deepEqual(told, ['stored 7 in 0.5', 'acknowledged'])
  assert.deepEqual(startup.lines, ['warn batch_kept no answer', 'info batch_recovered'])
})

test('the history thread knows how much was committed, and ends with the server', async () => {
  const { ingest, committed, startup, told } = open()
  ingest.counters.committed = 5
  assert.equal(committed(), 5)
  await startup.lifetime.close()
  assert.deepEqual(told, ['thread ended'])
})
