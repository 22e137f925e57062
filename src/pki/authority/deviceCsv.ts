// A list of devices as CSV, from a spreadsheet or a script: a header line, then a device a line.
// Promises that every fault carries its line number and that reading goes on after it. Pure; the values themselves
// are judged where devices are issued.

import type { ConfigFault } from '../../model/errors.ts'
import { type DeviceField, quoted } from '../names.ts'
import type { DeviceOrder } from './devices.ts'

const columns: readonly DeviceField[] = ['name', 'role', 'chargers', 'days']
export const csvColumns = columns.join(',')

/** The orders in `text`; its faults go to `faults`. `file` names it there. Empty lines are skipped. */
export function parseDeviceCsv(text: string, file: string, faults: ConfigFault[]): DeviceOrder[] {
  // Excel begins a file with a byte order mark.
  const [header = '', ...lines] = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  const order = parseHeader(header, file, faults)
  if (order === undefined) return []
  const found = lines.flatMap((line, index) => parseLine(line, order, `${file} line ${index + 2}`, faults) ?? [])
  if (found.length === 0 && faults.length === 0) {
    faults.push({ path: file, expected: 'a line for each device after the header', found: 'none' })
  }
  return found
}

/** Which field stands in which column; undefined with a fault. */
function parseHeader(header: string, file: string, faults: ConfigFault[]): readonly DeviceField[] | undefined {
  const cells = splitCells(header)?.map(cell => cell.toLowerCase()) ?? []
  const order = cells.flatMap(cell => columns.find(column => column === cell) ?? [])
  const isGood = order.length === cells.length && new Set(order).size === order.length && order.includes('name')
  if (isGood) return order
  const expected = `the header line ${csvColumns} (comma-separated; only name is a must)`
  faults.push({ path: `${file} line 1`, expected, found: quoted(header) })
  return undefined
}

function parseLine(
  line: string,
  order: readonly DeviceField[],
  path: string,
  faults: ConfigFault[]
): DeviceOrder | undefined {
  if (line.trim() === '') return undefined
  const cells = splitCells(line)
  if (cells === undefined || cells.length > order.length) {
    const expected = `at most ${order.length} values, separated by commas`
    faults.push({
      path,
      expected,
      found: cells === undefined ? `quotes that do not match in ${quoted(line)}` : quoted(line)
    })
    return undefined
  }
  const cellOf = (field: DeviceField): string => cells[order.indexOf(field)] ?? ''
  const chargers = cellOf('chargers')
    .split(/[\s;]+/)
    .filter(name => name !== '')
  const draft = { name: cellOf('name'), role: cellOf('role'), chargers, days: cellOf('days') }
  return { draft, pathOf: field => `${path} ${field}` }
}

/** RFC 4180 within a line: a cell may be quoted, "" in it is a quote. Undefined when the quotes do not match. */
function splitCells(line: string): string[] | undefined {
  const cells: string[] = []
  const cellPattern = /\s*(?:"((?:[^"]|"")*)"|([^",]*))\s*(,|$)/y
  for (;;) {
    const match = cellPattern.exec(line)
    if (match === null) return undefined
    const [, inQuotes, plain = '', separator] = match
    cells.push((inQuotes?.replaceAll('""', '"') ?? plain).trim())
    if (separator === '') return cells
  }
}
