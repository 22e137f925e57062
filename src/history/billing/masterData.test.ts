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
