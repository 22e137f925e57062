// Reads a CSV file with a header line, from a spreadsheet or a script. The file may use commas or semicolons, quotes,
// and a byte order mark. Every fault of a line carries its line number, and reading continues after a fault. Pure.

import type { ConfigFault } from '../../model/errors.ts'

export interface CsvLine {
  /** The place that faults name: `cards.csv line 7`. */
  readonly path: string
  /** The trimmed cells by column. A column that the file does not have is absent. */
  readonly cells: Readonly<Record<string, string>>
}

export interface CsvTable {
  readonly columns: readonly string[]
  readonly lines: readonly CsvLine[]
  /** True where semicolons separate the columns. Such a file comes from a country that writes 0,25. */
  readonly hasDecimalCommas: boolean
}

/** Undefined when the header has a fault. The columns `required` must exist. The other `columns` may exist. */
export function parseCsv(
  text: string,
  file: string,
  columns: readonly string[],
  required: readonly string[],
  faults: ConfigFault[]
): CsvTable | undefined {
  const [header = '', ...lines] = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  const separator = header.includes(';') ? ';' : ','
  const found = (splitCells(header, separator) ?? []).map(cell => cell.toLowerCase())
  const isKnown = found.every(cell => columns.includes(cell)) && new Set(found).size === found.length
  if (!isKnown || !required.every(column => found.includes(column))) {
    const expected = `the header line ${columns.join(separator)} (a must: ${required.join(', ')})`
    faults.push({ path: `${file} line 1`, expected, found: quoted(header) })
    return undefined
  }
  const parsed = lines.flatMap((line, i) => parseLine(line, found, separator, `${file} line ${i + 2}`, faults) ?? [])
  if (parsed.length === 0 && faults.length === 0) {
    faults.push({ path: file, expected: 'at least one line after the header', found: 'none' })
  }
  return { columns: found, lines: parsed, hasDecimalCommas: separator === ';' }
}

function parseLine(
  line: string,
  columns: readonly string[],
  separator: string,
  path: string,
  faults: ConfigFault[]
): CsvLine | undefined {
  if (line.trim() === '') return undefined
  const cells = splitCells(line, separator)
  if (cells === undefined || cells.length > columns.length) {
    const expected = `at most ${columns.length} values, separated by "${separator}"`
    faults.push({
      path,
      expected,
      found: `${cells === undefined ? 'quotes that do not match in ' : ''}${quoted(line)}`
    })
    return undefined
  }
  return { path, cells: Object.fromEntries(columns.map((column, i) => [column, cells[i] ?? ''])) }
}

/** Splits a line by RFC 4180: a cell may be quoted, and "" in it is a quote. Undefined when the quotes do not match. */
function splitCells(line: string, separator: string): string[] | undefined {
  const cells: string[] = []
  const cell = new RegExp(`\\s*(?:"((?:[^"]|"")*)"|([^"${separator}]*))\\s*(${separator}|$)`, 'y')
  for (;;) {
    const match = cell.exec(line)
    if (match === null) return undefined
    const [, inQuotes, plain = '', end] = match
    cells.push((inQuotes?.replaceAll('""', '"') ?? plain).trim())
    if (end === '') return cells
  }
}

/** The text as a fault shows it: on one line, and cut when it is long. */
export const quoted = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text)
