import assert from 'node:assert/strict'
import { test } from 'node:test'
import { below, seededRandom } from '../../model/testing/random.ts'
import { Rest } from './rest.ts'

test('what is gathered in pieces comes out as it went in', () => {
  const random = seededRandom(6)
  for (let round = 0; round < 200; round++) {
    const rest = new Rest()
    const whole = Buffer.from(Array.from({ length: 1 + below(random, 400) }, () => below(random, 256)))
    const first = 1 + below(random, whole.length)
    rest.keep(whole.subarray(0, first), whole.length - first)
    let at = first
    while (at < whole.length) {
      const chunk = Buffer.from(whole.subarray(at, at + 1 + below(random, 9)))
      assert.equal(rest.lacksMoreThan(chunk), at + chunk.length < whole.length)
      rest.add(chunk)
      at += chunk.length
      chunk.fill(0)
    }
    assert.deepEqual(rest.drain(), whole)
    assert.equal(rest.isEmpty, true)
  }
})

test('with nothing kept the chunk itself is taken; else it comes behind', () => {
  const rest = new Rest()
  const chunk = Buffer.from('cd')
  assert.equal(rest.drainWith(chunk), chunk)
  rest.keep(Buffer.from('ab'), 0)
  assert.equal(rest.drainWith(chunk).toString(), 'abcd')
  assert.equal(rest.isEmpty, true)
})

test('a length that is not known, or that is here, lacks nothing', () => {
  const rest = new Rest()
  for (const lacking of [0, -3]) {
    rest.keep(Buffer.from('a'), lacking)
    assert.equal(rest.lacksMoreThan(Buffer.from('b')), false)
  }
  rest.keep(Buffer.from('a'), 10)
  rest.clear()
  assert.equal(rest.lacksMoreThan(Buffer.alloc(1)), false)
})
