import assert from 'node:assert/strict'
import { test } from 'node:test'
import { handshakeTimeoutMs } from '../limits.ts'
import { HandshakeQueue, networkOf } from './handshakes.ts'

const many = (count: number, name: string): string[] => Array.from({ length: count }, (_, index) => `${name}${index}`)

/** Gives turns every 10 ms of the clock. Returns the handshakes that began, in order. */
function run(queue: HandshakeQueue<string>, fromMs: number, toMs: number): string[] {
  const begun: string[] = []
  for (let nowMs = fromMs; nowMs < toMs; nowMs += 10) begun.push(...queue.turnsAt(nowMs).begin)
  return begun
}

test('a few begin at once, then as many per second as are allowed', () => {
  const queue = new HandshakeQueue<string>(100)
  for (const item of many(1_000, 'a')) queue.add('10.0.0.1', item, 0)
  assert.equal(queue.turnsAt(0).begin.length, 2)
  const first = run(queue, 10, 1_000)
  assert.ok(first.length >= 98 && first.length <= 100, String(first.length))
  assert.equal(queue.waiting, 1_000 - 2 - first.length)
})

test('who was idle, or stalled, may not make up for it at once', () => {
  const queue = new HandshakeQueue<string>(1_000)
  for (const item of many(500, 'a')) queue.add('10.0.0.1', item, 60_000)
  assert.equal(queue.turnsAt(60_000).begin.length, 20)
  assert.equal(queue.turnsAt(65_000).begin.length, 20)
})

test('each network takes its turn: a flood from one delays only itself', () => {
  const queue = new HandshakeQueue<string>(50)
  for (const item of many(1_000, 'flood')) queue.add('10.0.0.1', item, 0)
  queue.add('10.0.0.2', 'charger', 0)
  queue.add('2001:db8:0:7::1', 'charger6', 0)
  const begun = run(queue, 0, 120)
  assert.deepEqual(begun.slice(0, 4), ['flood0', 'charger', 'charger6', 'flood1'])
})

test('who has waited too long is turned away, and costs nobody a turn', () => {
  const queue = new HandshakeQueue<string>(50)
  for (const item of many(10, 'old')) queue.add('10.0.0.1', item, 0)
  const lateMs = handshakeTimeoutMs + 1
  queue.add('10.0.0.1', 'new', lateMs)
  const { begin, expired } = queue.turnsAt(lateMs)
  assert.deepEqual([begin, expired.length, queue.waiting], [['new'], 10, 0])
})

test('when too many wait, the last of the longest row leaves', () => {
  const queue = new HandshakeQueue<string>(50, 3)
  assert.equal(queue.add('10.0.0.1', 'a', 0), undefined)
  assert.equal(queue.add('10.0.0.1', 'b', 0), undefined)
  assert.equal(queue.add('10.0.0.2', 'c', 0), undefined)
  assert.equal(queue.add('10.0.0.3', 'd', 0), 'b')
  assert.equal(queue.waiting, 3)
  assert.deepEqual(run(queue, 0, 200), ['a', 'c', 'd'])
})

test('when too many wait, each alone, the newcomer leaves: who was there before keeps its turn', () => {
  const queue = new HandshakeQueue<string>(50, 2)
  assert.equal(queue.add('10.0.0.1', 'a', 0), undefined)
  assert.equal(queue.add('10.0.0.2', 'b', 0), undefined)
  assert.equal(queue.add('10.0.0.3', 'c', 0), 'c')
  assert.equal(queue.add('10.0.0.2', 'd', 0), 'd')
  assert.equal(queue.waiting, 2)
  assert.deepEqual(run(queue, 0, 200), ['a', 'b'])
})

test('a network is an IPv4 address, or a /64 of IPv6', () => {
  const groups = [
    ['10.0.0.1', '::ffff:10.0.0.1'],
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2:3::'],
    ['2001:db8::1', '2001:db8::2:3:4:5'],
    ['::1', '::2'],
    ['fe80::1', 'fe80::dead:beef'],
    ['']
  ]
  const networks = groups.map(group => new Set(group.map(networkOf)))
  for (const network of networks) assert.equal(network.size, 1, [...network].join())
  assert.equal(new Set(networks.flatMap(network => [...network])).size, groups.length)
})
