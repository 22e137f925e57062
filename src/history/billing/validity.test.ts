// Windows of a day and validities, at their boundaries. masterData.test.ts tests whole files.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ConfigFault } from '../../model/errors.ts'
import { judgeCards, judgeTariffs, type StoredWindow } from './validity.ts'

const window = (from: string, to: string, more: Partial<StoredWindow> = {}): StoredWindow => {
  return { name: 'house', validFrom: '2026-01-01', validTo: null, from, to, currency: 'EUR', ...more }
}
function faultsOf(windows: readonly StoredWindow[]): string[] {
  const faults: ConfigFault[] = []
  judgeTariffs(windows, 'f.csv', faults)
  return faults.map(({ path, found }) => `${path}: ${found}`)
}

describe('the windows of a day', () => {
  const at = 'f.csv house from 2026-01-01'
  const days: [windows: StoredWindow[], faults: string[]][] = [
    [[window('06:00', '06:00')], []],
    [[window('00:00', '00:00')], []],
    [[window('00:00', '23:45')], [`${at}: none at 23:45`]],
    [[window('00:15', '24:00')], [`${at}: none at 00:00`]],
    [[window('00:00', '12:00'), window('12:00', '24:00')], []],
    [[window('00:00', '12:00'), window('12:00', '00:00')], []],
    [[window('00:00', '12:00'), window('11:45', '24:00')], [`${at}: 2 at 11:45`]],
    [[window('00:00', '12:00'), window('12:15', '24:00')], [`${at}: none at 12:00`]],
    [[window('22:00', '06:00'), window('06:00', '22:00'), window('22:00', '22:15')], [`${at}: 2 at 22:00`]]
  ]
  for (const [windows, faults] of days) {
    it(`${windows.map(({ from, to }) => `${from} to ${to}`)}: ${faults.length === 0 ? 'each time once' : faults}`, () =>
      assert.deepEqual(faultsOf(windows), faults))
  }

  it('end together', () => {
    const windows = [window('00:00', '12:00', { validTo: '2026-12-31' }), window('12:00', '24:00')]
    assert.deepEqual(faultsOf(windows), [`${at}: 2026-12-31 and nothing`])
  })

  it('of different tariffs have nothing to do with one another', () => {
    assert.deepEqual(faultsOf([window('00:00', '24:00'), window('00:00', '24:00', { name: 'b', currency: 'CHF' })]), [])
  })
})

describe('validities of the same card', () => {
  const cards: [spans: [from: string, to: string | null][], found: string[]][] = [
    [[['2026-01-01', null]], []],
    [
      [
        ['2026-06-01', null],
        ['2026-01-01', '2026-05-31']
      ],
      []
    ],
    [
      [
        ['2026-01-01', '2026-06-01'],
        ['2026-06-01', null]
      ],
      ['2026-06-01']
    ],
    [
      [
        ['2026-01-01', null],
        ['2026-06-01', null]
      ],
      ['no end']
    ],
    [
      [
        ['2026-06-01', '2026-07-01'],
        ['-infinity', '2026-05-31'],
        ['2026-07-02', null]
      ],
      []
    ],
    [
      [
        ['-infinity', '2026-06-01'],
        ['2026-06-01', null]
      ],
      ['2026-06-01']
    ]
  ]
  for (const [spans, found] of cards) {
    it(`${spans.map(span => span.join(' to ')).join(', ')}: ${found.length === 0 ? 'one at a time' : 'overlap'}`, () => {
      const faults: ConfigFault[] = []
      judgeCards(
        spans.map(([validFrom, validTo]) => ({ uid: 'A', validFrom, validTo })),
        'f.csv',
        faults
      )
      assert.deepEqual(
        faults.map(fault => fault.found),
        found
      )
    })
  }

  it('of two cards may overlap', () => {
    const faults: ConfigFault[] = []
    const always = { validFrom: '-infinity', validTo: null }
    judgeCards(
      [
        { uid: 'A', ...always },
        { uid: 'B', ...always }
      ],
      'f.csv',
      faults
    )
    assert.deepEqual(faults, [])
  })
})
