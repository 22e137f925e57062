import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Zone } from '../zone.ts'
import { microOf } from './priceList.ts'
import { costOf, type TariffWindow } from './tariff.ts'

const window = (from: number, to: number, price: string, more: Partial<TariffWindow> = {}): TariffWindow => ({
  fromDay: -Infinity,
  toDay: Infinity,
  fromMinute: from * 60,
  toMinute: to * 60,
  priceMicro: microOf(price),
  currency: 'EUR',
  ...more
})
const berlin = new Zone('Europe/Berlin')
const day = (text: string): number => Date.parse(`${text}T00:00:00Z`) / 86_400_000
const cost = (start: string, quarterMilliWh: readonly number[], tariff: readonly TariffWindow[]) =>
  costOf(Date.parse(start), quarterMilliWh, tariff, berlin)

describe('what a session costs', () => {
  const dayAndNight = [window(6, 22, '0.3'), window(22, 6, '0.2')]

  it('is split by the windows of the clock at the site, over midnight', () => {
    // 21:45 to 22:15 in Berlin, in winter.
    assert.deepEqual(cost('2026-01-10T20:47:00Z', [1_000_000, 2_000_000], dayAndNight), {
      amount: '0.70',
      currency: 'EUR',
      parts: [
        { from: '06:00', to: '22:00', pricePerKwh: '0.3', energyWh: 1000, amount: '0.3' },
        { from: '22:00', to: '06:00', pricePerKwh: '0.2', energyWh: 2000, amount: '0.4' }
      ]
    })
  })

  it('follows the clock when it changes: 05:59 in summer is an hour earlier than in winter', () => {
    assert.equal(cost('2026-03-28T04:45:00Z', [1_000_000, 1_000_000], dayAndNight)?.amount, '0.50')
    assert.equal(cost('2026-03-29T03:45:00Z', [1_000_000, 1_000_000], dayAndNight)?.amount, '0.50')
    assert.equal(cost('2026-10-25T04:45:00Z', [1_000_000, 1_000_000], dayAndNight)?.amount, '0.50')
  })

  it('changes at midnight of the site where the tariff does', () => {
    const years = [
      window(0, 24, '0.3', { toDay: day('2026-12-31') }),
      window(0, 24, '0.4', { fromDay: day('2027-01-01') })
    ]
    assert.equal(cost('2026-12-31T22:45:00Z', [1_000_000, 1_000_000], years)?.amount, '0.70')
  })

  it('is rounded once, half up, without the errors of binary fractions', () => {
    const price = (text: string) => [window(0, 24, text)]
    assert.equal(cost('2026-01-10T10:00:00Z', [50_000], price('0.1'))?.amount, '0.01')
    assert.equal(cost('2026-01-10T10:00:00Z', [49_999], price('0.1'))?.amount, '0.00')
    assert.equal(cost('2026-01-10T10:00:00Z', new Array(8).fill(125_625), price('1'))?.amount, '1.01')
    assert.equal(cost('2026-01-10T10:00:00Z', [1_005_000], price('1'))?.amount, '1.01')
    assert.equal(
      cost('2026-01-10T10:00:00Z', [2_000_000_000, 2_000_000_000], price('99999.999999'))?.amount,
      '400000000.00'
    )
  })

  it('is nothing where no window applies to some of it, and 0.00 without energy', () => {
    assert.equal(cost('2026-01-10T20:45:00Z', [1_000_000, 1], [window(6, 22, '0.3')]), undefined)
    assert.equal(cost('2026-01-10T20:45:00Z', [1_000_000, 0], [window(6, 22, '0.3')])?.amount, '0.30')
    assert.equal(cost('2026-01-10T20:45:00Z', [], dayAndNight)?.amount, '0.00')
  })

  const minutes: [clock: string, amount: string][] = [
    ['2026-01-10T04:45:00Z', '0.20'],
    ['2026-01-10T05:00:00Z', '0.30'],
    ['2026-01-10T20:45:00Z', '0.30'],
    ['2026-01-10T21:00:00Z', '0.20'],
    ['2026-01-10T22:45:00Z', '0.20'],
    ['2026-01-10T23:00:00Z', '0.20']
  ]
  for (const [clock, amount] of minutes) {
    it(`begins with its window and ends before the end of it: ${clock} costs ${amount}`, () =>
      assert.equal(cost(clock, [1_000_000], dayAndNight)?.amount, amount))
  }

  it('counts an hour that comes twice twice, and one that is left out not at all', () => {
    // In Berlin the clock shows 02:00 to 03:00 twice on 2026-10-25, and never on 2026-03-29.
    const tariff = [window(0, 2, '1'), window(2, 3, '10'), window(3, 24, '100')]
    const eightQuarters = new Array(8).fill(1_000_000)
    assert.equal(cost('2026-10-25T00:00:00Z', eightQuarters, tariff)?.amount, '80.00')
    assert.equal(cost('2026-03-29T00:00:00Z', eightQuarters, tariff)?.amount, '404.00')
  })

  it('is nothing where its windows have different currencies', () => {
    const mixed = [window(0, 12, '1'), window(12, 24, '1', { currency: 'CHF' })]
    assert.equal(cost('2026-01-10T10:45:00Z', [1_000_000, 1_000_000], mixed), undefined)
    assert.equal(cost('2026-01-10T10:45:00Z', [1_000_000], mixed)?.currency, 'EUR')
    assert.equal(cost('2026-01-10T11:00:00Z', [1_000_000], mixed)?.currency, 'CHF')
  })

  it('without energy is in the currency of its start, and unknown where nothing applies then', () => {
    assert.deepEqual(cost('2026-01-10T10:00:00Z', [0], dayAndNight), { amount: '0.00', currency: 'EUR', parts: [] })
    assert.equal(cost('2026-01-10T10:00:00Z', [0], [window(12, 13, '1')]), undefined)
  })

  it('counts from the quarter hour in which it starts', () => {
    assert.equal(cost('2026-01-10T04:59:59Z', [1_000_000, 1_000_000], dayAndNight)?.amount, '0.50')
  })
})
