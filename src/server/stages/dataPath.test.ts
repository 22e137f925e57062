import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Broker, BrokerOptions } from '../../broker/broker.ts'
import type { ServerConfig } from '../config.ts'
import { away, testDatabase, testStartup } from '../testing/startup.ts'
import { openDataPath } from './dataPath.ts'

async function open(config: Partial<ServerConfig> = {}, rowsOf = (): readonly unknown[] => []) {
  const startup = testStartup(config)
  const told: string[] = []
  const note = (name: string) => async () => void told.push(name)
  let options: BrokerOptions | undefined
  let isStored = true
  const broker = { drain: note('drain'), stopReading: note('stopReading'), close: note('broker closed') }
  const ingest = {
    close: async () => {
      told.push('ingest closed')
      return isStored
    }
  }
  const dataPath = await openDataPath(
    startup,
    {
      databaseUrl: 'url',
      db: testDatabase(rowsOf).db,
      latest: { note: (topic: string) => told.push(`latest ${topic}`) } as never,
      connections: { note: ({ charger }: { charger: string }) => told.push(`connection ${charger}`) } as never,
      audit: { report() {} } as never,
      recorder: {} as never,
      link: undefined
    },
    {
      ingest: () => ({ ingest: ingest as never, maintenance: {} as never }),
      broker: async given => {
        options = given
        return broker as unknown as Broker
      }
    }
  )
  const fail = (): void => {
    isStored = false
  }
  return { startup, told, dataPath, options: options!, fail }
}

test('of what moves forward, only what this server committed is written to the newest values', async () => {
  const { dataPath, told } = await open()
  for (const [second, mover] of (['committed', 'presented', 'heard', 'relayed', 'loaded'] as const).entries())
    dataPath.shadow.move('t/c1/a', second, 'x', mover)
  assert.deepEqual(told, ['latest t/c1/a'])
})

test('the end reads no more, then stores, then closes the connections; settled when all was stored', async () => {
  const { startup, told, dataPath } = await open()
  assert.equal(dataPath.isSettled(), false)
  await startup.lifetime.close()
  assert.deepEqual(told, ['stopReading', 'ingest closed', 'broker closed'])
  assert.equal(dataPath.isSettled(), true)
})

test('with --drain-seconds connections are closed over that time first; what is not stored is not settled', async () => {
  const { startup, told, dataPath, fail } = await open({ drainMs: 1_000 })
  fail()
  await startup.lifetime.close()
  assert.deepEqual(told, ['drain', 'stopReading', 'ingest closed', 'broker closed'])
  assert.equal(dataPath.isSettled(), false)
})

test('presence is written behind, and asks the database who has a charger online elsewhere', async () => {
  const { options, told } = await open({}, () => [{ charger: 'c2' }])
  options.presence.store({ charger: 'c1' } as never)
  assert.deepEqual(told, ['connection c1'])
  assert.deepEqual(await options.presence.onlineElsewhere(['c1', 'c2']), new Set(['c2']))
})

test('while the database is away a server alone knows by itself; one of several does not know', async () => {
  const throws = (): never => {
    throw away()
  }
  const alone = await open({}, throws)
  assert.deepEqual(await alone.options.presence.onlineElsewhere(['c1']), new Set())
  const ofSeveral = await open({ redisUrl: 'redis://a' }, throws)
  await assert.rejects(ofSeveral.options.presence.onlineElsewhere(['c1']), /ECONNREFUSED/)
})
