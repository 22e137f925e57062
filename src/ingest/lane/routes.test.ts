import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Batch } from '../batch.ts'
import type { Lane } from './lane.ts'
import { Routes } from './routes.ts'

const lanes = Array.from({ length: 4 }, (_, i) => `ordinary ${i}`) as unknown as Lane[]
const late = 'late' as unknown as Lane
const batchOf = (counts: Record<string, number>) =>
  ({ identities: Object.keys(counts), counts: Object.values(counts) }) as unknown as Batch

test('an identity has always the same lane, and the identities spread over all lanes', () => {
  const routes = new Routes(lanes, late)
  const counts = new Map(lanes.map(lane => [lane, 0]))
  for (let i = 0; i < 400; i++) {
    const lane = routes.enter(`wallbox-${i}`, 1)
    assert.equal(routes.enter(`wallbox-${i}`, 1), lane)
    counts.set(lane, counts.get(lane)! + 1)
  }
  for (const count of counts.values()) assert.ok(count > 50, `${[...counts.values()]}`)
})

test('a late identity changes to the late lane when nothing of it is in flight, not before, and alone', () => {
  const routes = new Routes(lanes.slice(0, 1), late)
  for (let i = 0; i < 3; i++) routes.enter('old', 1)
  routes.enter('young', 1)
  routes.settled(lanes[0]!, batchOf({ old: 2, young: 1 }), [0])
  assert.deepEqual(routes.lateIn(batchOf({ young: 1, old: 1 })), [1])
  assert.equal(routes.enter('old', 1), lanes[0], 'one is in flight still')
  assert.equal(routes.enter('young', 1), lanes[0])
  routes.settled(lanes[0]!, batchOf({ old: 2 }), [0])
  assert.equal(routes.enter('old', 1), late)
})

test('what was handed on to the late lane is in flight until the late lane has settled it', () => {
  const routes = new Routes(lanes.slice(0, 1), late)
  routes.enter('old', 1)
  routes.settled(lanes[0]!, batchOf({ old: 1 }), [0])
  assert.equal(routes.moved('old'), late)
  assert.equal(routes.enter('old', 1), lanes[0])
  routes.settled(lanes[0]!, batchOf({ old: 1 }), [0])
  routes.moved('old')
  assert.equal(routes.enter('old', 1), lanes[0])
  routes.settled(late, batchOf({ old: 2 }), [0])
  routes.settled(lanes[0]!, batchOf({ old: 1 }), [0])
  assert.equal(routes.enter('old', 1), late)
})

test('an identity comes back when a batch of the late lane had no late row of it, and nothing of it is in flight', () => {
  const routes = new Routes(lanes.slice(0, 1), late)
  routes.enter('old', 1)
  routes.settled(lanes[0]!, batchOf({ old: 1 }), [0])
  assert.equal(routes.enter('old', 1), late)
  assert.equal(routes.enter('old', 1), late)
  routes.settled(late, batchOf({ old: 1 }), [0])
  routes.settled(late, batchOf({ old: 1 }), [])
  assert.equal(routes.enter('old', 1), lanes[0])
})

test('while some of it is still in the ordinary lane, the late lane does not send an identity back', () => {
  const routes = new Routes(lanes.slice(0, 1), late)
  routes.enter('old', 1)
  routes.enter('old', 1)
  routes.settled(lanes[0]!, batchOf({ old: 1 }), [0])
  routes.moved('old')
  routes.settled(late, batchOf({ old: 1 }), [])
  assert.deepEqual(routes.lateIn(batchOf({ old: 1 })), [0])
})
