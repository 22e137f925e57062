import assert from 'node:assert/strict'
import { test } from 'node:test'
import { atLeast, atMost, holds, medianBudgets } from './budget.ts'

test('a budget holds at its bound and on the good side of it, and not without a figure', () => {
  assert.deepEqual(
    [1, 2, 3, Number.NaN].map(value => holds(atMost('a', value, 2, 'ms'))),
    [true, true, false, false]
  )
  assert.deepEqual(
    [1, 2, 3, Number.NaN].map(value => holds(atLeast('a', value, 2, '/s'))),
    [false, true, true, false]
  )
})

test('of several repeats each budget has its median', () => {
  const repeat = (a: number, b: number) => [atMost('a', a, 9, 'ms'), atLeast('b', b, 1, '/s')]
  const found = medianBudgets([repeat(5, 10), repeat(1, 30), repeat(3, 20)])
  assert.deepEqual(found, repeat(3, 20))
  assert.deepEqual(medianBudgets([]), [])
})
