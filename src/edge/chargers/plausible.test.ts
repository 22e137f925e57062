// What counts as plausible in an answer whose JSON may hold any type.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Plausible } from './plausible.ts'

test('a number within its bounds is taken, both bounds included', () => {
  const plausible = new Plausible()
  assert.deepEqual(
    [0, 7, 10].map(value => plausible.number('x', value, 10)),
    [0, 7, 10]
  )
  assert.deepEqual(plausible.found, [])
})

test('a number that no charger can have is left out and named', () => {
  const plausible = new Plausible()
  for (const value of [-1, 10.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.equal(plausible.number('x', value, 10), undefined)
  }
  assert.deepEqual(plausible.found, ['x -1', 'x 10.5', 'x NaN', 'x Infinity'])
})

test('a value of another type never becomes a number, and its text is not shown', () => {
  const plausible = new Plausible()
  for (const value of ['7', true, [7], { card: 'secret' }]) {
    assert.equal(plausible.number('x', value as unknown as number, 10), undefined)
  }
  assert.deepEqual(plausible.found, ['x string', 'x boolean', 'x object', 'x object'])
})

test('a value that is left out, or null, is not told', () => {
  const plausible = new Plausible()
  assert.equal(plausible.number('x', undefined, 10), undefined)
  assert.equal(plausible.number('x', null, 10), undefined)
  assert.deepEqual(plausible.found, [])
})
