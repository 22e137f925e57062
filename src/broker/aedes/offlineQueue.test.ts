import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OfflineQueue, type QueuedPacket } from './offlineQueue.ts'

const packet = (brokerCounter: number, messageId?: number): QueuedPacket => ({
  cmd: 'publish',
  brokerId: 'b',
  brokerCounter,
  ...(messageId !== undefined && { messageId })
})
const puback = (messageId: number): QueuedPacket => ({ cmd: 'puback', messageId })
const countersOf = (queue: OfflineQueue, id = 'dash'): (number | undefined)[] =>
  queue.list(id).map(({ brokerCounter }) => brokerCounter)

test('what was queued is listed in its order, each client its own', () => {
  const queue = new OfflineQueue()
  for (const counter of [1, 2, 3]) queue.enqueue('dash', packet(counter))
  queue.enqueue('other', packet(3))
  assert.deepEqual([countersOf(queue), countersOf(queue, 'other'), countersOf(queue, 'nobody')], [[1, 2, 3], [3], []])
})

test('a message leaves when the id it was sent with is acknowledged, and only then', () => {
  const queue = new OfflineQueue()
  for (const counter of [1, 2, 3]) queue.enqueue('dash', packet(counter))
  queue.update('dash', packet(1, 71))
  queue.update('dash', packet(2, 72))
  assert.equal(queue.clear('dash', puback(99)), undefined)
  assert.equal(queue.clear('dash', puback(72))?.brokerCounter, 2)
  assert.equal(queue.clear('dash', puback(72)), undefined)
  assert.deepEqual(countersOf(queue), [1, 3])
})

test('a message that will not be sent leaves without an id', () => {
  const queue = new OfflineQueue()
  for (const counter of [1, 2]) queue.enqueue('dash', packet(counter))
  assert.equal(queue.clear('dash', packet(1))?.brokerCounter, 1)
  assert.equal(queue.clear('dash', packet(9)), undefined)
  assert.deepEqual(countersOf(queue), [2])
})

test('a message that is sent again has its new id alone', () => {
  const queue = new OfflineQueue()
  queue.enqueue('dash', packet(1))
  queue.update('dash', packet(1, 5))
  queue.update('dash', packet(1, 6))
  assert.equal(queue.clear('dash', puback(5)), undefined)
  assert.equal(queue.clear('dash', puback(6))?.brokerCounter, 1)
})

test('a PUBREL takes the place of its message until PUBCOMP', () => {
  const queue = new OfflineQueue()
  queue.enqueue('dash', packet(1))
  queue.update('dash', packet(1, 5))
  queue.update('dash', { cmd: 'pubrel', messageId: 5 })
  assert.deepEqual(queue.list('dash'), [{ cmd: 'pubrel', messageId: 5 }])
  assert.equal(queue.clear('dash', puback(5))?.cmd, 'pubrel')
  assert.deepEqual(queue.list('dash'), [])
})

test('above the limit the oldest go, counted; one that went meanwhile is not kept again', () => {
  const queue = new OfflineQueue(3)
  queue.enqueue('dash', packet(1))
  queue.update('dash', packet(1, 7))
  for (const counter of [2, 3, 4, 5]) queue.enqueue('dash', packet(counter))
  queue.update('dash', packet(2, 8))
  assert.deepEqual(countersOf(queue), [3, 4, 5])
  assert.deepEqual(
    [queue.dropped, queue.clear('dash', puback(7)), queue.clear('dash', puback(8))],
    [2, undefined, undefined]
  )
})

test('a session that ends leaves nothing', () => {
  const queue = new OfflineQueue()
  queue.enqueue('dash', packet(1))
  queue.forget('dash')
  assert.deepEqual(queue.list('dash'), [])
})

test('all queues together are bounded: the longest loses its older half, the others nothing', () => {
  const payload = Buffer.alloc(600)
  const queue = new OfflineQueue(1_000, 100_000)
  const packetAt = (brokerCounter: number) => ({ cmd: 'publish', brokerId: 'a', brokerCounter, topic: 't', payload })
  for (let i = 0; i < 10; i++) queue.enqueue('modest', packetAt(i))
  let i = 100
  while (queue.dropped === 0) queue.enqueue('greedy', packetAt(i++))
  const left = queue.list('greedy').map(({ brokerCounter }) => brokerCounter!)
  assert.equal(left.length, i - 100 - queue.dropped)
  assert.ok(queue.dropped >= 40 && left.length >= 40, `${queue.dropped} dropped, ${left.length} left`)
  assert.equal(left[0], 100 + queue.dropped)
  assert.equal(queue.list('modest').length, 10)
  // Forgotten and cleared messages make room again.
  const before = queue.dropped
  queue.forget('greedy')
  for (let n = 0; n < 80; n++) queue.enqueue('next', packetAt(1_000 + n))
  for (let n = 0; n < 80; n++) queue.clear('next', packetAt(1_000 + n))
  for (let n = 0; n < 80; n++) queue.enqueue('last', packetAt(2_000 + n))
  assert.equal(queue.dropped, before)
})
