import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ConfigFault } from '../../model/errors.ts'
import { parseCsv } from './csv.ts'
import { type Entry, forms, judge, type MasterDataKind } from './masterData.ts'
import { judgeCards, judgeTariffs, type StoredWindow } from './validity.ts'

function read(kind: MasterDataKind, text: string): { entries: Entry[]; faults: string[] } {
  const faults: ConfigFault[] = []
  const table = parseCsv(text, 'f.csv', forms[kind].columns, forms[kind].required, faults)
  const known = { sites: new Set(['home']), tariffs: new Set(['house']) }
  const judged = table === undefined ? [] : judge(kind, table, known, faults)
  return { entries: judged.map(({ entry }) => entry), faults: faults.map(({ path, found }) => `${path}: ${found}`) }
}

describe('a CSV file of master data', () => {
  it('is read as spreadsheets write it: byte order mark, semicolons, quotes, decimal commas, any order of columns', () => {
    const text = '\uFEFFcurrency;Price_per_kWh;name;from;to\r\nEUR;0,3215;"house; ""old""";06:00;22:00\r\n\r\n'
    assert.deepEqual(read('tariffs', text), {
      entries: [
        {
          name: 'house; "old"',
          valid_from: '-infinity',
          valid_to: null,
          window_from: '06:00',
          window_to: '22:00',
          price_per_kwh: '0.3215',
          currency: 'EUR'
        }
      ],
      faults: []
    })
  })

  it('tells all faults at once, each with its line', () => {
    const text = [
      'name,valid_from,valid_to,from,to,price_per_kwh,currency',
      ',2026-02-30,2026-01-01,6:10,22:00,0.30,EUR',
      'house,2026-01-01,2025-12-31,,,-1,euro',
      'house,2026-01-01,,,,"0,30",EUR',
      'house,2026-01-01,,,,0.30,EUR,more'
    ].join('\n')
    assert.deepEqual(read('tariffs', text).faults, [
      'f.csv line 5: "house,2026-01-01,,,,0.30,EUR,more"',
      'f.csv line 2 name: ""',
      'f.csv line 2 valid_from: "2026-02-30"',
      'f.csv line 2 valid_to: "2026-01-01"',
      'f.csv line 2 from: "6:10"',
      'f.csv line 3 price_per_kwh: "-1"',
      'f.csv line 3 valid_to: "2025-12-31"',
      'f.csv line 3 currency: "euro"',
      'f.csv line 4 price_per_kwh: "0,30"',
      'f.csv line 4: house / 2026-01-01 / 00:00 as in f.csv line 3'
    ])
  })

  it('of which columns are unknown, or a must is absent, is not read at all', () => {
    assert.deepEqual(read('cards', 'uid,colour\n04A2,red').faults, ['f.csv line 1: "uid,colour"'])
    assert.deepEqual(read('sites', 'name\nhome').faults, ['f.csv line 1: "name"'])
    assert.deepEqual(read('cards', 'uid\n').faults, ['f.csv: none'])
  })

  it('a charger has a name, and a site and a tariff that are known; an empty cell takes away, an absent column leaves', () => {
    assert.deepEqual(read('chargers', 'name,site\nwallbox-1,home\nwallbox-2,').entries, [
      { name: 'wallbox-1', site: 'home' },
      { name: 'wallbox-2', site: null }
    ])
    assert.deepEqual(read('chargers', 'name,site,tariff\n-1,moon,free').faults, [
      'f.csv line 2 name: "-1"',
      'f.csv line 2 site: "moon"',
      'f.csv line 2 tariff: "free"'
    ])
  })

  it('a time zone is a name that is known', () => {
    assert.deepEqual(read('sites', 'name,time_zone\na,Europe/Berlin\nb,UTC').faults, [])
    assert.deepEqual(read('sites', 'name,time_zone\na,Europe/Atlantis\nb,+02:00').faults, [
      'f.csv line 2 time_zone: "Europe/Atlantis"',
      'f.csv line 3 time_zone: "+02:00"'
    ])
  })
})

describe('a cell of master data', () => {
  const isGood = (kind: MasterDataKind, text: string): boolean => read(kind, text).faults.length === 0
  const tariff = (column: string, cell: string): string => {
    const cells = { name: 'house', price_per_kwh: '0.30', currency: 'EUR', [column]: cell }
    return `${Object.keys(cells).join(',')}\n${Object.values(cells).join(',')}`
  }
  const validity = (from: string, to: string): string => `uid,valid_from,valid_to\nA,${from},${to}`
  const cells: [what: string, kind: MasterDataKind, text: string, good: boolean][] = [
    ['a name of 100 characters', 'tariffs', tariff('name', 'x'.repeat(100)), true],
    ['a name of 101 characters', 'tariffs', tariff('name', 'x'.repeat(101)), false],
    ['a name of 100 characters of two UTF-16 units', 'tariffs', tariff('name', '\u{1f50c}'.repeat(100)), true],
    ['a card of 32 characters', 'cards', `uid\n${'x'.repeat(32)}`, true],
    ['a card of 33 characters', 'cards', `uid\n${'x'.repeat(33)}`, false],
    ['a NUL', 'cards', 'uid,label\nA,a\0b', false],
    ['a price without decimals', 'tariffs', tariff('price_per_kwh', '1'), true],
    ['a price of 6 decimals', 'tariffs', tariff('price_per_kwh', '0.123456'), true],
    ['a price of 7 decimals', 'tariffs', tariff('price_per_kwh', '0.1234567'), false],
    ['a price of 5 digits', 'tariffs', tariff('price_per_kwh', '99999'), true],
    ['a price of 6 digits', 'tariffs', tariff('price_per_kwh', '100000'), false],
    ['a price below zero', 'tariffs', tariff('price_per_kwh', '-0.1'), false],
    ['no price', 'tariffs', tariff('price_per_kwh', ''), false],
    ['a currency of two letters', 'tariffs', tariff('currency', 'EU'), false],
    ['a currency of four letters', 'tariffs', tariff('currency', 'EURO'), false],
    ['a quarter hour of one digit', 'tariffs', tariff('from', '6:15'), true],
    ['the last quarter hour', 'tariffs', tariff('from', '23:45'), true],
    ['the end of a day', 'tariffs', tariff('to', '24:00'), true],
    ['a time after the end of a day', 'tariffs', tariff('to', '24:15'), false],
    ['a time within a quarter hour', 'tariffs', tariff('to', '22:05'), false],
    ['no end of a validity', 'cards', validity('2026-01-01', ''), true],
    ['no beginning of a validity', 'cards', validity('', '2026-01-01'), true],
    ['a validity of one day', 'cards', validity('2026-01-01', '2026-01-01'), true],
    ['a validity that ends the day before it begins', 'cards', validity('2026-01-02', '2026-01-01'), false],
    ['the 29th of February in a leap year', 'cards', validity('2028-02-29', ''), true],
    ['the 29th of February in another year', 'cards', validity('2026-02-29', ''), false],
    ['a day that is written otherwise', 'cards', validity('1.1.2026', ''), false]
  ]
  for (const [what, kind, text, good] of cells) {
    it(`${what} is ${good ? 'taken' : 'refused'}`, () => assert.equal(isGood(kind, text), good))
  }

  it('that is empty is without an end, and the whole day', () => {
    const { entries } = read('tariffs', tariff('valid_from', ''))
    const { valid_from, valid_to, window_from, window_to } = entries[0]!
    assert.deepEqual([valid_from, valid_to, window_from, window_to], ['-infinity', null, '00:00', '24:00'])
  })

  it('a clock has five characters in the database', () => {
    assert.equal(read('tariffs', tariff('from', '6:15')).entries[0]!.window_from, '06:15')
  })

  it('a decimal comma counts in a file with semicolons alone', () => {
    const [semicolons, quotes] = ['name;price_per_kwh;currency\nh;0,3;EUR', 'name,price_per_kwh,currency\nh,"0,3",EUR']
    assert.equal(read('tariffs', semicolons).entries[0]!.price_per_kwh, '0.3')
    assert.deepEqual(read('tariffs', quotes).faults, ['f.csv line 2 price_per_kwh: "0,3"'])
  })
})

describe('tariffs and cards together', () => {
  const window = (from: string, to: string, more: Partial<StoredWindow> = {}): StoredWindow => {
    return { name: 'house', validFrom: '2026-01-01', validTo: null, from, to, currency: 'EUR', ...more }
  }
  const faultsOf = (windows: readonly StoredWindow[]): string[] => {
    const faults: ConfigFault[] = []
    judgeTariffs(windows, 'f.csv', faults)
    return faults.map(({ path, found }) => `${path}: ${found}`)
  }

  it('every time of the day has exactly one window', () => {
    assert.deepEqual(faultsOf([window('00:00', '24:00')]), [])
    assert.deepEqual(faultsOf([window('06:00', '22:00'), window('22:00', '06:00')]), [])
    assert.deepEqual(faultsOf([window('06:00', '22:00'), window('22:00', '05:45')]), [
      'f.csv house from 2026-01-01: none at 05:45'
    ])
    assert.deepEqual(faultsOf([window('06:00', '22:15'), window('22:00', '06:00')]), [
      'f.csv house from 2026-01-01: 2 at 22:00'
    ])
  })

  it('validities follow one another, in one currency', () => {
    const next = window('00:00', '24:00', { validFrom: '2027-01-01' })
    assert.deepEqual(faultsOf([window('00:00', '24:00', { validTo: '2026-12-31' }), next]), [])
    assert.deepEqual(faultsOf([window('00:00', '24:00'), next]), ['f.csv house: no end'])
    assert.deepEqual(faultsOf([window('00:00', '24:00', { validTo: '2027-01-01' }), next]), ['f.csv house: 2027-01-01'])
    assert.deepEqual(faultsOf([window('00:00', '24:00', { validTo: '2026-12-31', currency: 'CHF' }), next]), [
      'f.csv house: CHF and EUR'
    ])
  })

  it("a card is one person's at a time", () => {
    const faults: ConfigFault[] = []
    const first = { uid: '04A2', validFrom: '-infinity', validTo: '2026-05-31' }
    judgeCards([first, { uid: '04A2', validFrom: '2026-06-01', validTo: null }], 'f.csv', faults)
    assert.deepEqual(faults, [])
    judgeCards([first, { uid: '04A2', validFrom: '2026-05-31', validTo: null }], 'f.csv', faults)
    assert.equal(faults.length, 1)
  })
})
