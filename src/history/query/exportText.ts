// Formats rows as text, a piece at a time: CSV for spreadsheets and JSON for programs. Pure.
//
// CSV is RFC 4180 in UTF-8 with a byte order mark. Without the mark, Excel reads the file in the machine's own code
// page and breaks every umlaut. All other programs skip the mark. `semicolon` is for spreadsheets whose decimal sign is
// the comma. These spreadsheets expect semicolons between fields, so numbers have decimal commas. A text that a
// spreadsheet would take for a formula gets an apostrophe.

export type Cell = string | number | boolean | null
export type ExportFormat = 'csv' | 'json'
export type Separator = 'comma' | 'semicolon'

export interface Column<Row> {
  /** The title with the unit: `Energy (kWh)`. */
  readonly header: string
  /** The name of the member in JSON. */
  readonly key: string
  readonly csv: (row: Row) => Cell
  /** Set where JSON differs from CSV: JSON has the units of the API. */
  readonly json?: (row: Row) => Cell
}

export interface TextOptions {
  readonly format: ExportFormat
  readonly separator: Separator
}

/** The text before the rows, the text of the rows, and the text after them. */
export interface RowText<Row> {
  readonly head: string
  readonly rows: (rows: readonly Row[]) => string
  readonly tail: () => string
}

export function rowText<Row>(columns: readonly Column<Row>[], { format, separator }: TextOptions): RowText<Row> {
  return format === 'csv' ? csvText(columns, separator) : jsonText(columns)
}

const byteOrderMark = '\ufeff'

function csvText<Row>(columns: readonly Column<Row>[], separator: Separator): RowText<Row> {
  const between = separator === 'comma' ? ',' : ';'
  const decimal = separator === 'comma' ? '.' : ','
  const line = (cells: readonly Cell[]): string =>
    `${cells.map(cell => csvCell(cell, between, decimal)).join(between)}\r\n`
  return {
    head: byteOrderMark + line(columns.map(({ header }) => header)),
    rows: rows => rows.map(row => line(columns.map(({ csv }) => csv(row)))).join(''),
    tail: () => ''
  }
}

function csvCell(cell: Cell, between: string, decimal: string): string {
  if (cell === null) return ''
  if (typeof cell === 'number') return String(cell).replace('.', decimal)
  if (typeof cell === 'boolean') return cell ? 'yes' : 'no'
  const text = /^[=+\-@\t\r\n]/.test(cell) ? `'${cell}` : cell
  return /["\r\n,;]/.test(text) || text.includes(between) ? `"${text.replaceAll('"', '""')}"` : text
}

function jsonText<Row>(columns: readonly Column<Row>[]): RowText<Row> {
  let isFirst = true
  return {
    head: '[',
    rows: rows =>
      rows
        .map(row => {
          const object = Object.fromEntries(columns.map(({ key, csv, json = csv }) => [key, json(row)]))
          const text = `${isFirst ? '' : ','}\n${JSON.stringify(object)}`
          isFirst = false
          return text
        })
        .join(''),
    tail: () => '\n]\n'
  }
}
