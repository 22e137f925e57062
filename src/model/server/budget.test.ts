import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Budget } from './budget.ts'
import { fairShareBytesMin, fairShareMessagesMin, heldConnectionBytes, messageOverheadBytes } from './limits.ts'

const limit = 1_000_000

test('what is taken and held is used, until it is given back', () => {
  const budget = new Budget(limit)
  budget.take(1, 100)
  budget.take(1, 50)
  budget.hold()
  assert.equal(budget.usedBytes, 150 + 2 * messageOverheadBytes + heldConnectionBytes)
  budget.release()
  budget.give(2, 150)
  assert.equal(budget.usedBytes, 0)
})

test('at its limit the budget is over', () => {
  const budget = new Budget(limit)
  budget.take(1, limit - messageOverheadBytes - 1)
  assert.equal(budget.isOver, false)
  budget.give(1, 0)
  budget.take(1, 1)
  assert.equal(budget.isOver, true)
})

test('who may read: everybody below the budget, the modest ones over it, the idle ones always', () => {
  const below = new Budget(limit)
  const over = new Budget(limit)
  over.take(1, limit)
  for (const budget of [below, over]) for (let i = 0; i < 10; i++) budget.connected()
  const share = limit / 10
  const cases: [messages: number, bytes: number, below: boolean, over: boolean][] = [
    [0, 0, true, true],
    [1, share, true, false],
    [fairShareMessagesMin - 1, fairShareBytesMin - 1, true, true],
    [fairShareMessagesMin, share, true, false],
    [fairShareMessagesMin, share - 1, true, true],
    [1_024, share + 1, true, false]
  ]
  for (const [messages, bytes, ...expected] of cases) {
    const found = [below, over].map(budget => budget.mayRead(messages, bytes))
    assert.deepEqual(found, expected, `${messages} messages, ${bytes} bytes`)
  }
})

test('the fair share grows when connections leave', () => {
  const budget = new Budget(limit)
  budget.take(1, limit)
  for (let i = 0; i < 10; i++) budget.connected()
  assert.equal(budget.mayRead(100, limit / 8), false)
  for (let i = 0; i < 5; i++) budget.disconnected()
  assert.equal(budget.mayRead(100, limit / 8), true)
})
