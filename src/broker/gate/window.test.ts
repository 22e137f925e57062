import assert from 'node:assert/strict'
import { test } from 'node:test'
import { windowMessagesMax } from './limits.ts'
import { Window } from './window.ts'

class Connection {
  released = 0
  release(): void {
    this.released++
  }
}

function filled(messages: number): Window {
  const window = new Window()
  for (let i = 0; i < messages; i++) window.enter(1)
  return window
}

function leave(window: Window, messages: number): void {
  for (let i = 0; i < messages; i++) window.leave(1)
}

test('nobody within the window exceeds it, the first message beyond it does', () => {
  const window = filled(windowMessagesMax)
  assert.equal(window.exceeded, false)
  window.enter(1)
  assert.equal(window.exceeded, true)
  window.leave(1)
  assert.equal(window.exceeded, false)
})

test('held connections are released at half of the window, not above, and each once', () => {
  const window = filled(windowMessagesMax + 1)
  const [one, two] = [new Connection(), new Connection()]
  window.hold(one)
  window.hold(one)
  window.hold(two)
  leave(window, windowMessagesMax / 2)
  window.releaseIfBelow()
  assert.deepEqual([one.released, two.released], [0, 0])
  leave(window, 1)
  assert.deepEqual([one.released, two.released], [0, 0])
  window.releaseIfBelow()
  assert.deepEqual([one.released, two.released], [1, 1])
  window.releaseIfBelow()
  assert.deepEqual([one.released, two.released], [1, 1])
})

test('a connection that is gone is not released', () => {
  const window = filled(1)
  const [gone, stays] = [new Connection(), new Connection()]
  window.hold(gone)
  window.hold(stays)
  window.forget(gone)
  window.releaseIfBelow()
  assert.deepEqual([gone.released, stays.released], [0, 1])
})

test('a connection that is held again while it is released stays held', () => {
  const window = filled(1)
  const again = { released: 0, release: () => (again.released++ === 0 ? window.hold(again) : undefined) }
  window.hold(again)
  window.releaseIfBelow()
  assert.equal(again.released, 1)
  window.releaseIfBelow()
  assert.equal(again.released, 2)
})

test('it is unused only when nobody is connected and nothing is in flight: a reconnect finds what it owes', () => {
  let unused = 0
  const window = new Window(() => unused++)
  window.join()
  window.enter(1)
  window.enter(1)
  window.part()
  assert.equal(unused, 0)
  window.join()
  window.leave(1)
  window.leave(1)
  assert.equal(unused, 0)
  window.part()
  assert.equal(unused, 1)
  window.join()
  window.enter(1)
  window.part()
  window.leave(1)
  assert.equal(unused, 2)
})
