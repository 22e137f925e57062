import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RedisLink, RedisLinkOptions } from '../../broker/redis/redisLink.ts'
import { Shadow } from '../../broker/shadow.ts'
import { type Answers, away, testDatabase, testStartup } from '../testing/startup.ts'
import { joinPeers, openPeerLink } from './peers.ts'

test('without --redis-url there is no link', async () => {
  assert.equal(await openPeerLink(testStartup({ redisUrl: undefined }), () => assert.fail('opened')), undefined)
})

test('the link is closed with the server; that Redis went away and came back is logged', async () => {
  const startup = testStartup({ redisUrl: 'redis://a' })
  let options: RedisLinkOptions | undefined
  let closed = 0
  const link = {
    close: async () => {
      closed++
    }
  } as RedisLink
  const open = async (given: RedisLinkOptions): Promise<RedisLink> => {
    options = given
    return link
  }
  assert.equal(await openPeerLink(startup, open), link)
  assert.deepEqual([options!.url, options!.node], ['redis://a', 'a'])
  options!.away(new Error('reset'))
  options!.restored()
  assert.deepEqual(startup.lines, ['error redis_away reset', 'info redis_back'])
  await startup.lifetime.close()
  assert.equal(closed, 1)
})

const rows: Answers = sql => {
  if (sql.includes('LEFT JOIN latest_readings'))
    return [{ id: 1, charger: 'c1', name: 'PowerOutput', time_us: '1000000', value: 7 }]
  if (sql.includes('INSERT INTO nodes')) return [{ was_there: false }]
  if (sql.includes('DELETE FROM nodes')) return [{ charger: 'c9', sinceUs: '5' }]
  return sql.includes('FROM edge_connections') ? [{ identity: 'c1', charger: 'c1', sinceUs: '3' }] : []
}

function presence(told: string[]) {
  return {
    load: (found: Iterable<{ charger: string; sinceUs: number }>) => {
      for (const { charger, sinceUs } of found) told.push(`loaded ${charger} ${sinceUs}`)
    },
    goneElsewhere: (charger: string, sinceUs: number) => void told.push(`gone ${charger} ${sinceUs}`),
    tellAgain: () => void told.push('taken out')
  }
}

test('newest values and connections are read when the database answers; chargers of a silent server are gone', async () => {
  const startup = testStartup()
  const told: string[] = []
  const shadow = new Shadow()
  shadow.watch((topic, { timeUs }, mover) => told.push(`${topic} ${timeUs} ${mover}`))
  const { db } = testDatabase(rows)
  await joinPeers(startup, { db, link: undefined, shadow, presence: presence(told) })
  await startup.lifetime.close() // waits until the check of the other servers has ended
  assert.deepEqual(told, ['chargers/c1/PowerOutput 1000000 loaded', 'loaded c1 3', 'gone c9 5'])
})

test('a start that is told to stop does not wait for a database that is away', async () => {
  const startup = testStartup()
  const { db } = testDatabase(() => {
    startup.aborting.abort()
    throw away()
  })
  const needs = { db, link: undefined, shadow: new Shadow(), presence: presence([]) }
  await assert.rejects(joinPeers(startup, needs), { name: 'AbortError' })
  assert.match(startup.lines[0]!, /^warn database_away/)
})

test('what the database knows and Redis did not goes to the other servers; Redis that fails keeps no start', async () => {
  const startup = testStartup({ redisUrl: 'redis://a' })
  const asked: string[] = []
  const link = {
    run: 'r',
    isCluster: false,
    isReachable: true,
    on() {},
    onBack() {},
    tell() {},
    headOf: () => '',
    ask: async (work: (redis: object) => unknown) => {
      const redis = new Proxy({}, { get: (_, name) => () => asked.push(String(name)) })
      work(redis)
      throw new Error('Redis is away')
    }
  } as unknown as RedisLink
  const { db } = testDatabase(rows)
  await joinPeers(startup, { db, link, shadow: new Shadow(), presence: presence([]) })
  assert.deepEqual(asked, ['hscan'])
  await startup.lifetime.close()
  assert.equal(asked.length, 2, 'the shadow is written at the end')
})
