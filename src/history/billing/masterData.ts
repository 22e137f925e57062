// The master data that `chargelift import` takes: sites, chargers, tariffs and cards as lines of a CSV file. Each line
// is judged alone and together with the others. Pure. Every fault carries its line number, and all faults are reported
// at once.

import type { ConfigFault } from '../../model/errors.ts'
import { chargerNameRule, isChargerName } from '../../model/wire/topics.ts'
import { Zone } from '../zone.ts'
import { type CsvLine, type CsvTable, quoted } from './csv.ts'

export const masterDataKinds = ['sites', 'chargers', 'tariffs', 'cards'] as const
export type MasterDataKind = (typeof masterDataKinds)[number]

interface Form {
  readonly columns: readonly string[]
  readonly required: readonly string[]
}

export const forms: Readonly<Record<MasterDataKind, Form>> = {
  sites: { columns: ['name', 'time_zone'], required: ['name', 'time_zone'] },
  chargers: { columns: ['name', 'site', 'label', 'serial', 'tariff'], required: ['name'] },
  tariffs: {
    columns: ['name', 'valid_from', 'valid_to', 'from', 'to', 'price_per_kwh', 'currency'],
    required: ['name', 'price_per_kwh', 'currency']
  },
  cards: { columns: ['uid', 'label', 'person', 'valid_from', 'valid_to'], required: ['uid'] }
}

/** A row for the database, by column of its table. Null where the cell is empty. */
export type Entry = Readonly<Record<string, string | null>>
export interface Judged {
  readonly path: string
  readonly entry: Entry
}

/** Names that exist in the database. Lines may refer only to these names. */
export interface KnownNames {
  readonly sites: ReadonlySet<string>
  readonly tariffs: ReadonlySet<string>
}

/** Returns the entries of a file. Faults within lines and between lines go to `faults`. */
export function judge(kind: MasterDataKind, table: CsvTable, known: KnownNames, faults: ConfigFault[]): Judged[] {
  const judges = { sites: judgeSite, chargers: judgeCharger, tariffs: judgeTariff, cards: judgeCard }
  const judged = table.lines.map(line => ({
    path: line.path,
    entry: judges[kind](new Cells(line, faults), { ...known, hasDecimalCommas: table.hasDecimalCommas })
  }))
  const keyOf = ({ entry }: Judged): string => keys[kind].map(column => entry[column] ?? '').join(' / ')
  const first = new Map<string, string>()
  for (const one of judged) {
    const before = first.get(keyOf(one))
    if (before === undefined) first.set(keyOf(one), one.path)
    else faults.push({ path: one.path, expected: 'each only once', found: `${keyOf(one)} as in ${before}` })
  }
  return judged
}

/** The columns that identify an entry. */
export const keys: Readonly<Record<MasterDataKind, readonly string[]>> = {
  sites: ['name'],
  chargers: ['name'],
  tariffs: ['name', 'valid_from', 'window_from'],
  cards: ['uid', 'valid_from']
}

interface Context extends KnownNames {
  readonly hasDecimalCommas: boolean
}

const judgeSite = (cells: Cells): Entry => ({
  name: cells.text('name', 100, true),
  time_zone: cells.checked('time_zone', 'a time zone like Europe/Berlin', isTimeZone) ?? ''
})

const judgeCharger = (cells: Cells, { sites, tariffs }: Context): Entry => ({
  name: cells.checked('name', chargerNameRule, isChargerName) ?? '',
  ...cells.given('site', () => cells.oneOf('site', sites, 'a site (chargelift import sites)')),
  ...cells.given('label', () => cells.text('label', 200)),
  ...cells.given('serial', () => cells.text('serial', 100)),
  ...cells.given('tariff', () => cells.oneOf('tariff', tariffs, 'a tariff (chargelift import tariffs)'))
})

const judgeTariff = (cells: Cells, { hasDecimalCommas }: Context): Entry => {
  const price = cells.get('price_per_kwh')
  const decimal = hasDecimalCommas ? price.replace(',', '.') : price
  if (!/^\d{1,5}(\.\d{1,6})?$/.test(decimal)) cells.fault('price_per_kwh', 'a price like 0.3215, at most 6 decimals')
  return {
    name: cells.text('name', 100, true),
    ...cells.validity(),
    window_from: cells.clock('from', '00:00'),
    window_to: cells.clock('to', '24:00'),
    price_per_kwh: decimal,
    currency: cells.checked('currency', 'three capital letters like EUR', text => /^[A-Z]{3}$/.test(text)) ?? ''
  }
}

const judgeCard = (cells: Cells): Entry => ({
  uid: cells.text('uid', 32, true),
  label: cells.text('label', 200) ?? '',
  person: cells.text('person', 200) ?? '',
  ...cells.validity()
})

/** The cells of one line. Reading a cell reports its faults. */
class Cells {
  readonly #line: CsvLine
  readonly #faults: ConfigFault[]

  constructor(line: CsvLine, faults: ConfigFault[]) {
    this.#line = line
    this.#faults = faults
  }

  get(column: string): string {
    return this.#line.cells[column] ?? ''
  }

  fault(column: string, expected: string): void {
    this.#faults.push({ path: `${this.#line.path} ${column}`, expected, found: quoted(this.get(column)) })
  }

  /** Empty where the file has no such column. Then the stored value stays. */
  given(column: string, value: () => string | null): Record<string, string | null> {
    return column in this.#line.cells ? { [column]: value() } : {}
  }

  text(column: string, lengthMax: number, isRequired = false): string | null {
    const text = this.get(column)
    const isGood = [...text].length <= lengthMax && !text.includes('\0') && !(isRequired && text === '')
    if (!isGood) this.fault(column, `${isRequired ? '1' : '0'} to ${lengthMax} characters`)
    return text === '' ? null : text
  }

  checked(column: string, expected: string, isGood: (text: string) => boolean): string | null {
    const text = this.get(column)
    if (!isGood(text)) this.fault(column, expected)
    return text
  }

  oneOf(column: string, names: ReadonlySet<string>, what: string): string | null {
    const text = this.get(column)
    if (text !== '' && !names.has(text)) this.fault(column, what)
    return text === '' ? null : text
  }

  validity(): { valid_from: string; valid_to: string | null } {
    const [from, to] = [this.get('valid_from'), this.get('valid_to')]
    if (from !== '' && !isDay(from)) this.fault('valid_from', 'a day like 2026-01-01, or nothing')
    if (to !== '' && !isDay(to)) this.fault('valid_to', 'the last day, like 2026-12-31, or nothing')
    else if (to !== '' && from !== '' && to < from) this.fault('valid_to', `a day from ${from} on`)
    return { valid_from: from === '' ? '-infinity' : from, valid_to: to === '' ? null : to }
  }

  clock(column: string, absent: string): string {
    const text = this.get(column) || absent
    if (!/^(([01]?\d|2[0-3]):(00|15|30|45)|24:00)$/.test(text)) this.fault(column, 'a quarter hour like 06:00 or 21:45')
    return text.padStart(5, '0')
  }
}

const isDay = (text: string): boolean =>
  /^\d{4}-\d{2}-\d{2}$/.test(text) && new Date(`${text}T00:00:00Z`).toJSON()?.slice(0, 10) === text

/** Accepts only names, because the database and JavaScript differ in the sign of offsets. */
function isTimeZone(text: string): boolean {
  if (!/^(UTC|[A-Za-z]+(\/[A-Za-z0-9_+-]+)+)$/.test(text)) return false
  try {
    new Zone(text)
    return true
  } catch {
    return false
  }
}
