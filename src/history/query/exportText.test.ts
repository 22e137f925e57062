import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Column, rowText } from './exportText.ts'

interface Row {
  readonly name: string
  readonly wh: number | null
}
const columns: readonly Column<Row>[] = [
  { header: 'Charger', key: 'charger', csv: ({ name }) => name },
  { header: 'Energy (kWh)', key: 'energyWh', csv: ({ wh }) => wh && wh / 1000, json: ({ wh }) => wh }
]
const all = (rows: readonly Row[], format: 'csv' | 'json', separator: 'comma' | 'semicolon' = 'comma'): string => {
  const text = rowText(columns, { format, separator })
  return text.head + rows.map(row => text.rows([row])).join('') + text.tail()
}

test('CSV opens in a spreadsheet: a byte order mark, units in the header, CRLF, nothing for null', () => {
  assert.equal(
    all(
      [
        { name: 'Säule 1', wh: 12_345 },
        { name: 'b', wh: null }
      ],
      'csv'
    ),
    '\ufeffCharger,Energy (kWh)\r\nSäule 1,12.345\r\nb,\r\n'
  )
})

test('with semicolons numbers have the decimal comma that goes with them', () => {
  assert.equal(all([{ name: 'a', wh: 1_500 }], 'csv', 'semicolon'), '\ufeffCharger;Energy (kWh)\r\na;1,5\r\n')
})

const dangerous: [string, string][] = [
  ['=HYPERLINK("http://x";"y")', '"\'=HYPERLINK(""http://x"";""y"")"'],
  ['+49', "'+49"],
  ['-1+1', "'-1+1"],
  ['@SUM(A1)', "'@SUM(A1)"],
  ['\t=1', "'\t=1"],
  ['a,b', '"a,b"'],
  ['a;b', '"a;b"'],
  ['say "hi"', '"say ""hi"""'],
  ['two\nlines', '"two\nlines"'],
  ['plain', 'plain']
]
test('no text becomes a formula, and none leaves its cell', () => {
  for (const separator of ['comma', 'semicolon'] as const) {
    const between = separator === 'comma' ? ',' : ';'
    for (const [name, cell] of dangerous) {
      assert.equal(all([{ name, wh: 1_000 }], 'csv', separator).split('\r\n')[1], `${cell}${between}1`)
    }
  }
})

test('JSON is one array, in the units of the API, whatever the pieces', () => {
  const rows = [
    { name: '=a"b', wh: 12_345 },
    { name: 'b', wh: null }
  ]
  assert.deepEqual(JSON.parse(all(rows, 'json')), [
    { charger: '=a"b', energyWh: 12_345 },
    { charger: 'b', energyWh: null }
  ])
  assert.deepEqual(JSON.parse(all([], 'json')), [])
})
