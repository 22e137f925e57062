// Tests the queues of clean=false subscribers in a real Redis: their order, their message ids and their bounds.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import { RedisLink } from '../../src/broker/redis/redisLink.ts'
import { RedisQueue } from '../../src/broker/redis/redisQueue.ts'
import { freePort } from '../../src/server/ports.ts'
import { until } from '../harness.ts'

const missing = spawnSync('redis-server', ['--version']).error && 'apt-get install redis-server'

describe('queues in Redis', { skip: missing }, () => {
  let redis: ChildProcess
  let link: RedisLink

  before(async () => {
    const port = await freePort()
    redis = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', ''], { stdio: 'ignore' })
    link = await RedisLink.open({ url: `redis://127.0.0.1:${port}`, node: 'a', away() {}, restored() {} })
    await until(() => link.isReachable, Boolean)
  })
  after(async () => {
    await link.close()
    redis.kill('SIGKILL')
  })

  const packet = (brokerCounter: number, payload = 'x') =>
    ({ cmd: 'publish', brokerId: 'b', brokerCounter, topic: 't', payload: Buffer.from(payload), qos: 1 }) as const
  const list = async (queue: RedisQueue, id: string): Promise<unknown[]> => {
    const found: unknown[] = []
    for await (const { cmd, brokerCounter, messageId } of queue.list(id)) found.push([cmd, brokerCounter, messageId])
    return found
  }

  it('messages keep their order, and are found by the id they were sent with, on any server', async () => {
    const queue = new RedisQueue(link)
    for (const counter of [1, 2, 3]) await queue.enqueue(['c:a', 'c:b'], packet(counter))
    await queue.enqueue(['c:a'], packet(2)) // a repeated message is queued once
    await queue.update('c:a', { ...packet(2), messageId: 7 })
    await queue.update('c:a', { ...packet(3), messageId: 8 })
    const other = new RedisQueue(link)
    await other.update('c:a', { cmd: 'pubrel', messageId: 8 })
    assert.deepEqual(await list(other, 'c:a'), [
      ['publish', 1, undefined],
      ['publish', 2, 7],
      ['pubrel', undefined, 8]
    ])
    assert.equal((await other.clear('c:a', { cmd: 'puback', messageId: 7 }))?.payload?.toString(), 'x')
    assert.equal(await other.clear('c:a', { cmd: 'puback', messageId: 7 }), undefined)
    await other.clear('c:a', { cmd: 'pubcomp', messageId: 8 })
    assert.deepEqual(await list(queue, 'c:a'), [['publish', 1, undefined]])
    assert.equal((await list(queue, 'c:b')).length, 3)
  })

  it('a queue is bounded in messages and in bytes, and all together in bytes: the oldest go, counted', async () => {
    const queue = new RedisQueue(link, { messagesMax: 10, bytesMax: 10_000, totalBytesMax: 15_000 })
    for (let counter = 1; counter <= 15; counter++) await queue.enqueue(['m'], packet(counter))
    assert.deepEqual((await list(queue, 'm')).length, 10)
    assert.deepEqual((await list(queue, 'm'))[0], ['publish', 6, undefined])
    assert.equal(queue.dropped, 5)
    for (let counter = 1; counter <= 5; counter++) await queue.enqueue(['b'], packet(counter, 'x'.repeat(3_000)))
    assert.equal((await list(queue, 'b')).length, 2, 'two of 4.5 KB as they are stored')
    for (let counter = 1; counter <= 2; counter++) await queue.enqueue(['b2'], packet(counter, 'x'.repeat(3_000)))
    const lengths = [await list(queue, 'b'), await list(queue, 'b2')].map(({ length }) => length)
    assert.ok(lengths[0]! + lengths[1]! < 4, `one of them lost its older half: ${lengths}`)
  })
})
