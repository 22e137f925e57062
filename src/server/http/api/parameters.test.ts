// Tests each kind of parameter at its bounds. All faults of a request are reported together.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  bound,
  charger,
  chargerInPath,
  limitOf,
  moment,
  oneOf,
  oneOfOr,
  type Parameter,
  readParameters,
  text
} from './parameters.ts'

const long = (length: number): string => 'x'.repeat(length)
type Case = [what: string, parameter: Parameter, given: string | undefined, value: unknown]
const wrong = Symbol('a fault')
const cases: Case[] = [
  ['a limit', limitOf(20, 100), '1', 1],
  ['a limit', limitOf(20, 100), '100', 100],
  ['a limit', limitOf(20, 100), '101', wrong],
  ['a limit', limitOf(20, 100), '0', wrong],
  ['a limit', limitOf(20, 100), '-1', wrong],
  ['a limit', limitOf(20, 100), '1.5', wrong],
  ['a limit', limitOf(20, 100), '', wrong],
  ['a limit', limitOf(20, 100), undefined, 20],
  ['a text', text('x'), long(128), long(128)],
  ['a text', text('x'), long(129), wrong],
  ['a text', text('x', 3), 'abcd', wrong],
  ['a text', text('x'), '', wrong],
  ['a text', text('x'), undefined, undefined],
  ['a word', oneOf(['a', 'b'], 'x'), 'b', 'b'],
  ['a word', oneOf(['a', 'b'], 'x'), 'B', wrong],
  ['a word', oneOf(['a', 'b'], 'x'), undefined, undefined],
  ['a word with a standard', oneOfOr(['a', 'b'], 'b', 'x'), undefined, 'b'],
  ['a word with a standard', oneOfOr(['a', 'b'], 'b', 'x'), '', wrong],
  ['a charger', charger, 'wallbox-1', 'wallbox-1'],
  ['a charger', charger, '-1', wrong],
  ['a charger', charger, undefined, undefined],
  ['a charger in the path', chargerInPath, undefined, wrong],
  ['a moment', moment('x'), '2026-10-01T00:00:00Z', '2026-10-01T00:00:00Z'],
  ['a moment', moment('x'), '2026-10-01', wrong],
  ['a bound', bound('x'), '2026-10-01', '2026-10-01'],
  ['a bound', bound('x'), '2026-10-01T00:00:00+02:00', '2026-10-01T00:00:00+02:00'],
  // A plus sign that was not encoded arrives as a blank.
  ['a bound', bound('x'), '2026-10-01T00:00:00 02:00', wrong]
]

describe('a parameter', () => {
  for (const [what, parameter, given, value] of cases) {
    const shown = given === undefined ? 'absent' : JSON.stringify(given.slice(0, 30))
    it(`that is ${what} and ${shown} is ${value === wrong ? 'a fault' : 'taken'}`, () => {
      const read = readParameters({ p: parameter }, given === undefined ? {} : { p: [given] })
      if (value === wrong) assert.ok('faults' in read)
      else assert.deepEqual(read, { values: { p: value } })
    })
  }

  it('stands there once', () => {
    const twice = readParameters({ p: text('x') }, { p: ['a', 'a'] })
    assert.deepEqual(twice, { faults: [{ parameter: 'p', expected: 'it once', found: 'it 2 times' }] })
  })

  it('is known: a typing error must not look like an answer', () => {
    const unknown = readParameters({ p: text('x'), q: text('x') }, { r: ['1'] })
    assert.deepEqual(unknown, { faults: [{ parameter: 'r', expected: 'one of p, q', found: 'an unknown parameter' }] })
    assert.ok('faults' in readParameters({}, { toString: ['1'] }))
  })

  it('is told with all other faults, and with 80 characters of what was found', () => {
    const read = readParameters({ p: limitOf(1, 9), q: charger }, { p: ['x'.repeat(99)], q: [''], z: ['1'] })
    assert.deepEqual('faults' in read && read.faults.map(({ parameter, found }) => [parameter, found]), [
      ['z', 'an unknown parameter'],
      ['p', `"${'x'.repeat(80)}"`],
      ['q', '""']
    ])
  })
})
