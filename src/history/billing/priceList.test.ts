// Tariffs as they are read, and prices in millionths.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RecordedDb } from '../testing/recordedDb.ts'
import { microOf, PriceList, readPriceList } from './priceList.ts'

const row = (more: object = {}): object => ({
  name: 'house',
  currency: 'EUR',
  price: '0.300000',
  from_day: null,
  to_day: null,
  from_minute: 0,
  to_minute: 1440,
  ...more
})
const listOf = (...rows: object[]): Promise<PriceList> => readPriceList(new RecordedDb([['FROM tariffs', rows]]).db)
const house = { tariff: 'house', timeZone: 'UTC' }
const noonMs = Date.parse('2026-01-10T12:00:00Z')

describe('a price', () => {
  const prices: [decimal: string, micro: bigint][] = [
    ['0', 0n],
    ['1', 1_000_000n],
    ['0.1', 100_000n],
    ['0.000001', 1n],
    ['12.345678', 12_345_678n],
    ['99999.999999', 99_999_999_999n],
    ['0.3000000', 300_000n]
  ]
  for (const [decimal, micro] of prices) {
    it(`of ${decimal} is ${micro} millionths`, () => assert.equal(microOf(decimal), micro))
  }
})

describe('a list of prices', () => {
  it('has no cost for a charger without a tariff, or with one that is not there', () => {
    const list = new PriceList(new Map())
    assert.equal(list.costOf({ tariff: null, timeZone: 'UTC' }, noonMs, [1]), undefined)
    assert.equal(list.costOf(house, noonMs, [1]), undefined)
  })

  it('has windows without an end where the database says infinity', async () => {
    const list = await listOf(row())
    assert.equal(list.costOf(house, 0, [1_000_000])?.amount, '0.30')
    assert.equal(list.costOf(house, Date.parse('2999-12-31T23:59:00Z'), [1_000_000])?.amount, '0.30')
  })

  it('includes the first and the last day of a validity', async () => {
    const day = noonMs / 86_400_000
    const list = await listOf(row({ from_day: Math.floor(day), to_day: Math.floor(day) }))
    const costAt = (text: string) => list.costOf(house, Date.parse(text), [1_000_000])?.amount
    assert.equal(costAt('2026-01-09T23:59:59Z'), undefined)
    assert.equal(costAt('2026-01-10T00:00:00Z'), '0.30')
    assert.equal(costAt('2026-01-10T23:59:59Z'), '0.30')
    assert.equal(costAt('2026-01-11T00:00:00Z'), undefined)
  })

  it('keeps the windows of each tariff together', async () => {
    const list = await listOf(
      row({ to_minute: 720 }),
      row({ name: 'other', price: '9' }),
      row({ from_minute: 720, price: '0.2' })
    )
    assert.equal(list.costOf(house, noonMs - 900_000, [1_000_000, 1_000_000])?.amount, '0.50')
    assert.equal(list.costOf({ ...house, tariff: 'other' }, noonMs, [1_000_000])?.amount, '9.00')
  })

  it('fails for a price that is no number when somebody pays it, and for nobody else', async () => {
    const list = await listOf(row(), row({ name: 'odd', price: 'NaN' }))
    assert.equal(list.costOf(house, noonMs, [1_000_000])?.amount, '0.30')
    assert.throws(() => list.costOf({ ...house, tariff: 'odd' }, noonMs, [1]), SyntaxError)
  })
})
