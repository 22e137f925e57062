import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Engine } from '../../ingest/migrate.ts'
import { away, testStartup } from '../testing/startup.ts'
import { openDatabase } from './database.ts'

const engine: Engine = { name: 'plain PostgreSQL partitions', description: '17.0', hypertable: false, risks: [] }
const url = 'postgres://a@127.0.0.1:1/a'
const noEmbedded = (): Promise<never> => assert.fail('started an embedded database')

test('a database that is configured is brought up to date, and nothing is to be closed', async () => {
  const startup = testStartup({ databaseUrl: url })
  const migrated: string[] = []
  const migrate = async (databaseUrl: string): Promise<Engine> => {
    migrated.push(databaseUrl)
    return engine
  }
  const opened = await openDatabase(startup, { embedded: noEmbedded, migrate })
  assert.deepEqual([opened, migrated], [{ databaseUrl: url, engine }, [url]])
  assert.deepEqual(startup.lines, ['info database_ready'])
})

test('each risk of the database is a warning', async () => {
  const startup = testStartup({ databaseUrl: url })
  const risks = ['fsync is off', 'synchronous_commit is off']
  await openDatabase(startup, { embedded: noEmbedded, migrate: async () => ({ ...engine, risks }) })
  assert.deepEqual(startup.lines, [
    'warn database_risk fsync is off',
    'warn database_risk synchronous_commit is off',
    'info database_ready'
  ])
})

test('the embedded database is killed before it would be abandoned, and told about when it had to be started again', async () => {
  const startup = testStartup({ databaseUrl: undefined, dataDir: '/data' })
  const stopped: number[] = []
  let restarted = (_reason: string): void => {}
  const embedded = async (dataDir: string, ended: (reason: string) => void = () => {}) => {
    assert.equal(dataDir, '/data')
    restarted = ended
    return { url, urlFile: '/data/database.url', stop: async (withinMs = 0) => void stopped.push(withinMs) }
  }
  const { databaseUrl } = await openDatabase(startup, { embedded, migrate: async () => engine })
  assert.equal(databaseUrl, url)
  restarted('it was killed')
  assert.deepEqual(startup.lines, ['info database_ready', 'error database_ended it was killed'])
  await startup.lifetime.close()
  assert.deepEqual(stopped, [9_750])
})

test('an embedded database is stopped also when the start is told to stop while the database is away', async () => {
  const startup = testStartup({ databaseUrl: undefined })
  let stopped = 0
  const stop = async (): Promise<void> => {
    stopped++
  }
  const migrate = async (): Promise<never> => {
    startup.aborting.abort()
    throw away()
  }
  const opening = openDatabase(startup, { embedded: async () => ({ url, urlFile: '', stop }), migrate })
  await assert.rejects(
    opening.catch(error => startup.lifetime.fail(error)),
    { name: 'AbortError' }
  )
  assert.equal(stopped, 1)
})
