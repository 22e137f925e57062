import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Shadow } from '../../broker/shadow.ts'
import type { ServerConfig } from '../config.ts'
import { testDatabase, testStartup } from '../testing/startup.ts'
import { openApi } from './api.ts'
import { Serving } from './serving.ts'

function open(config: Partial<ServerConfig> = {}) {
  const startup = testStartup(config)
  const serving = new Serving()
  const shadow = new Shadow()
  const { db, ended } = testDatabase()
  const opened: string[] = []
  let lost = (_error: Error): void => {}
  const figures = { figures: () => ({ node: 'a' }) as never }
  openApi(
    startup,
    { databaseUrl: 'main', shadow, access: {} as never, serving, monitoring: {} as never, figures },
    (url, isLost) => {
      opened.push(url)
      lost = isLost
      return db
    }
  )
  return { startup, serving, shadow, ended, opened, lose: () => lost(new Error('reset')) }
}

test('reading has connections of its own, to the replica where there is one', async () => {
  const { opened, startup, lose, ended } = open()
  assert.deepEqual(opened, ['main'])
  assert.deepEqual(open({ readDatabaseUrl: 'replica' }).opened, ['replica'])
  lose()
  assert.deepEqual(startup.lines, ['warn read_database_connection_lost reset'])
  await startup.lifetime.close()
  assert.equal(ended(), 1)
})

test('whatever moves the shadow forward reaches the listeners of the live feed, which the end cuts', async () => {
  const { serving, shadow, startup } = open()
  const texts: string[] = []
  let cut = 0
  serving.api!.feed.listen({
    mayReadCards: true,
    charger: undefined,
    lastEventId: undefined,
    send: bytes => {
      texts.push(Buffer.from(bytes).toString())
      return true
    },
    end: () => cut++
  })
  const payload = '{"SamplingTime":"2025-07-01T00:00:00.000000Z","Value":7}'
  shadow.move('chargers/c1/PowerOutput', 1, payload, 'heard')
  serving.api!.feed.flush()
  assert.match(texts.join(''), /event: reading\ndata: \[{"charger":"c1","name":"PowerOutput"/)
  await startup.lifetime.close()
  assert.equal(cut, 1)
})
