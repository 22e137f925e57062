// The time range of a request: which texts are bounds, and how a bound goes into SQL.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Zone } from '../zone.ts'
import { boundOf, momentOf, withinSql } from './within.ts'

const us = (text: string): number => Date.parse(text) * 1000

describe('a bound', () => {
  const bounds: [text: string, bound: ReturnType<typeof boundOf>][] = [
    ['2026-10-01', { day: '2026-10-01' }],
    ['2028-02-29', { day: '2028-02-29' }],
    ['2026-02-29', undefined],
    ['2026-13-01', undefined],
    ['2026-10-1', undefined],
    ['2026-10-01T00:00:00Z', { timeUs: us('2026-10-01T00:00:00Z') }],
    ['2026-10-01T00:00:00+02:00', { timeUs: us('2026-09-30T22:00:00Z') }],
    ['2026-10-01T00:00:00.000001Z', { timeUs: us('2026-10-01T00:00:00Z') + 1 }],
    ['2026-10-01T00:00:00', undefined],
    ['yesterday', undefined],
    ['', undefined]
  ]
  for (const [text, bound] of bounds) {
    it(`${JSON.stringify(text)} is ${bound === undefined ? 'none' : JSON.stringify(bound)}`, () =>
      assert.deepEqual(boundOf(text), bound))
  }

  it('that is a day begins at midnight of the zone, one that is a moment is the same everywhere', () => {
    const berlin = new Zone('Europe/Berlin')
    assert.equal(momentOf({ day: '2026-10-01' }, berlin), us('2026-09-30T22:00:00Z'))
    assert.equal(momentOf({ day: '2026-12-01' }, berlin), us('2026-11-30T23:00:00Z'))
    assert.equal(momentOf({ timeUs: 5 }, berlin), 5)
  })
})

describe('a time in SQL', () => {
  it('of moments has a parameter for each', () => {
    const parameters: unknown[] = ['first']
    const within = { from: { timeUs: us('2026-10-01T00:00:00Z') }, to: { timeUs: us('2026-10-02T00:00:00Z') } }
    assert.equal(withinSql('at', 'zone', within, parameters), 'at >= $2::timestamptz AND at < $3::timestamptz')
    assert.deepEqual(parameters, ['first', '2026-10-01T00:00:00.000Z', '2026-10-02T00:00:00.000Z'])
  })

  it('of days has midnight of the zone, and outside of it a bound of constants that no zone is beyond', () => {
    const parameters: unknown[] = []
    const within = { from: { day: '2026-10-01' }, to: { day: '2026-11-01' } }
    assert.equal(
      withinSql('at', 'zone', within, parameters),
      'at >= $2::timestamptz AND at >= $1::timestamp AT TIME ZONE zone' +
        ' AND at < $4::timestamptz AND at < $3::timestamp AT TIME ZONE zone'
    )
    assert.deepEqual(parameters, ['2026-10-01', '2026-09-30T09:00:00.000Z', '2026-11-01', '2026-11-01T15:00:00.000Z'])
  })

  it('leaves out no moment of a day in the zones that are furthest from UTC', () => {
    for (const name of ['Pacific/Kiritimati', 'Pacific/Apia', 'Pacific/Niue', 'Etc/GMT+12']) {
      const parameters: unknown[] = []
      withinSql('at', 'zone', { from: { day: '2026-10-01' }, to: { day: '2026-10-02' } }, parameters)
      const zone = new Zone(name)
      assert.ok(Date.parse(parameters[1] as string) <= zone.startOfDay('2026-10-01'), name)
      assert.ok(Date.parse(parameters[3] as string) >= zone.startOfDay('2026-10-02'), name)
    }
  })
})
