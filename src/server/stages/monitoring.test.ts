import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Shadow } from '../../broker/shadow.ts'
import { IngestCounters } from '../../ingest/ingest.ts'
import type { ServerConfig } from '../config.ts'
import { IngestOfAll } from '../monitoring/ingestOfAll.ts'
import { Recorder } from '../monitoring/recorder.ts'
import { away, testDatabase, testStartup } from '../testing/startup.ts'
import { type MonitoringNeeds, startMonitoring } from './monitoring.ts'

function needs(db: MonitoringNeeds['db'], processLink?: object): MonitoringNeeds {
  const counters = new IngestCounters()
  return {
    db,
    recorder: new Recorder(),
    credentials: { current: { validToMs: 0 } } as never,
    processLink: processLink as never,
    dataPath: {
      shadow: new Shadow(),
      ingest: { counters, lanes: [], trouble: undefined } as never,
      budget: { usedBytes: 1, limitBytes: 2 } as never,
      broker: { gates: new Set([1, 2]) } as never
    }
  }
}

test('the figures are those of this process, and of all for the first of several', async () => {
  const part = { number: 1, of: 2, mqttPorts: [], httpPort: 0, databaseUrl: '' }
  const link = { ingest: async () => [] }
  const cases: [Partial<ServerConfig>, object | undefined, boolean][] = [
    [{}, undefined, false],
    [{ part }, link, true],
    [{ part: { ...part, number: 2 } }, link, false]
  ]
  for (const [config, processLink, isOfAll] of cases) {
    const startup = testStartup(config)
    const { meter, figures } = await startMonitoring(startup, needs(testDatabase().db, processLink))
    assert.equal(figures instanceof IngestOfAll, isOfAll)
    assert.equal(figures === meter, !isOfAll)
    assert.equal(figures.figures().connections, 2)
    await startup.lifetime.close()
  }
})

test('problems that held before the restart are read, when the database answers', async () => {
  const startup = testStartup()
  const { db } = testDatabase(() => {
    startup.aborting.abort()
    throw away()
  })
  await assert.rejects(startMonitoring(startup, needs(db)), { name: 'AbortError' })
  assert.match(startup.lines[0]!, /^warn database_away/)
})

test('nothing that is watched keeps the process: all timers end with the server', async t => {
  const started = new Set<unknown>()
  const { setInterval: real, clearInterval: clear } = globalThis
  t.mock.method(globalThis, 'setInterval', (...args: Parameters<typeof setInterval>) => {
    const timer = real(...args)
    started.add(timer)
    return timer
  })
  t.mock.method(globalThis, 'clearInterval', (timer: NodeJS.Timeout) => {
    started.delete(timer)
    clear(timer)
  })
  const startup = testStartup()
  await startMonitoring(startup, needs(testDatabase().db))
  assert.ok(started.size >= 3, `${started.size} timers`)
  await startup.lifetime.close()
  assert.equal(started.size, 0)
})
