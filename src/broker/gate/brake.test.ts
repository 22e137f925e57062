import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { Budget } from '../../model/server/budget.ts'
import { heldConnectionBytes } from '../../model/server/limits.ts'
import { FakeSocket, FakeTimers } from '../testing/gateBench.ts'
import * as brake from './brake.ts'

const reasons = [
  brake.overWindow,
  brake.overBudget,
  brake.overRate,
  brake.awaitsAcks,
  brake.awaitsConnack,
  brake.awaitsAedes
]

function open() {
  const socket = new FakeSocket()
  const budget = new Budget(1_000_000)
  let resumed = 0
  const held = new brake.Brake(socket as unknown as TLSSocket, budget, () => {
    assert.equal(socket.isPaused(), false, 'first the socket is read again')
    resumed++
  })
  return { socket, brake: held, counted: () => budget.usedBytes / heldConnectionBytes, resumed: () => resumed }
}

test('each reason is a bit of its own', () => {
  const all = [...reasons, brake.stopped]
  for (const reason of all) assert.equal(reason & (reason - 1), 0)
  assert.equal(new Set(all).size, all.length)
})

test('the socket is read while no reason holds it, and again when the last one is released', () => {
  const { socket, brake: held, resumed } = open()
  for (const reason of reasons) held.hold(reason)
  for (const reason of reasons) {
    assert.deepEqual([socket.isPaused(), held.isHeld, held.isHeldBy(reason), resumed()], [true, true, true, 0])
    held.release(reason)
    assert.equal(held.isHeldBy(reason), false)
  }
  assert.deepEqual([socket.isPaused(), held.isHeld, resumed()], [false, false, 1])
})

test('to hold twice is to hold once, and to release what does not hold is nothing', () => {
  const { socket, brake: held, resumed, counted } = open()
  held.release(brake.overWindow)
  held.hold(brake.overWindow)
  held.hold(brake.overWindow)
  assert.equal(counted(), 1)
  held.release(brake.overRate)
  assert.deepEqual([socket.isPaused(), resumed()], [true, 0])
  held.release(brake.overWindow)
  held.release(brake.overWindow)
  assert.deepEqual([socket.isPaused(), resumed(), counted()], [false, 1, 0])
})

test('a connection that is held counts once in the budget; one that waits for CONNACK or Aedes does not', () => {
  const counts = reasons.map(reason => {
    const { brake: held, counted } = open()
    held.hold(reason)
    return counted()
  })
  assert.deepEqual(counts, [1, 1, 1, 1, 0, 0])
  const { brake: held, counted } = open()
  for (const reason of reasons) held.hold(reason)
  assert.equal(counted(), 1)
  for (const reason of [brake.overWindow, brake.overBudget, brake.overRate]) held.release(reason)
  assert.equal(counted(), 1, 'acknowledgements are still awaited')
  held.release(brake.awaitsAcks)
  assert.equal(counted(), 0)
})

test('frames wait for acknowledgements, CONNACK and Aedes, and for nothing else', () => {
  const waiting = [...reasons, brake.stopped].map(reason => {
    const { brake: held } = open()
    held.hold(reason)
    return held.holdsFrames
  })
  assert.deepEqual(waiting, [false, false, false, true, true, true, false])
})

const setUp = (t: TestContext) => ({ timers: new FakeTimers(t), ...open() })

test('what holds for a time is released when it is over, and a longer time counts', t => {
  const { timers, socket, brake: held } = setUp(t)
  held.holdFor(brake.overRate, 100)
  held.holdFor(brake.overRate, 200)
  timers.tick(199)
  assert.equal(socket.isPaused(), true)
  timers.tick(1)
  assert.equal(socket.isPaused(), false)
})

test('what is stopped stays so', () => {
  const { socket, brake: held, resumed } = open()
  held.hold(brake.overWindow)
  held.hold(brake.stopped)
  held.release(brake.overWindow)
  assert.deepEqual([socket.isPaused(), held.isHeldBy(brake.stopped), resumed()], [true, true, 0])
})

test('what is let go is read to its end, whatever holds it afterwards', () => {
  const { socket, brake: held, resumed } = open()
  held.hold(brake.overWindow)
  held.letGo()
  assert.equal(socket.isPaused(), false)
  held.hold(brake.overBudget)
  held.release(brake.overWindow)
  assert.deepEqual([socket.isPaused(), held.isHeldBy(brake.stopped), resumed()], [false, true, 0])
})

test('a connection that is gone counts no more, whatever comes, and leaves no timer', t => {
  const { timers, brake: held, counted, resumed } = setUp(t)
  held.holdFor(brake.overRate, 100)
  held.hold(brake.overWindow)
  held.forget()
  held.forget()
  assert.deepEqual([counted(), timers.count], [0, 0])
  held.hold(brake.overBudget)
  held.release(brake.overWindow)
  held.holdFor(brake.overRate, 100)
  held.release(brake.overRate)
  assert.deepEqual([counted(), resumed(), timers.count], [0, 0, 0])
})
