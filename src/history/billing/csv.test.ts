// CSV as spreadsheets write it: which lines are read, and which faults are reported.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ConfigFault } from '../../model/errors.ts'
import { parseCsv, quoted } from './csv.ts'

const columns = ['uid', 'label', 'person']
function parse(text: string) {
  const faults: ConfigFault[] = []
  const table = parseCsv(text, 'f.csv', columns, ['uid'], faults)
  return { table, faults: faults.map(({ path, expected, found }) => `${path}: ${expected}, found ${found}`) }
}
const lines = (text: string): unknown => parse(text).table?.lines

describe('a CSV file', () => {
  it('has a byte order mark, line ends of any system, and empty lines, which count for line numbers alone', () => {
    assert.deepEqual(lines('\uFEFFuid,label\r\n\r\n1,a\n  \n2,b'), [
      { path: 'f.csv line 3', cells: { uid: '1', label: 'a' } },
      { path: 'f.csv line 5', cells: { uid: '2', label: 'b' } }
    ])
  })

  it('has commas, or semicolons and then decimal commas', () => {
    assert.deepEqual(lines('uid;label\n1;a,b'), [{ path: 'f.csv line 2', cells: { uid: '1', label: 'a,b' } }])
    assert.equal(parse('uid;label\n1;a').table?.hasDecimalCommas, true)
    assert.equal(parse('uid,label\n1,a').table?.hasDecimalCommas, false)
    assert.equal(parse('uid\n1').table?.hasDecimalCommas, false)
  })

  const cells: [line: string, found: readonly string[] | undefined][] = [
    ['1,a,b', ['1', 'a', 'b']],
    ['1', ['1', '', '']],
    ['1,,', ['1', '', '']],
    [' 1 ,  a b ,b ', ['1', 'a b', 'b']],
    ['"1","a,b","say ""hi"""', ['1', 'a,b', 'say "hi"']],
    ['"1" , "a"', ['1', 'a', '']],
    ['""', ['', '', '']],
    ['1,"a', undefined],
    ['1,a"b', undefined],
    ['1,"a"b', undefined],
    ['1,a,b,c', undefined],
    ['1,a,b,', undefined]
  ]
  for (const [line, found] of cells) {
    it(`has the cells ${JSON.stringify(found)} in the line ${line}`, () => {
      const { table, faults } = parse(`uid,label,person\n${line}\nlast`)
      const values = table!.lines.map(one => Object.values(one.cells))
      assert.deepEqual(values, [...(found ? [found] : []), ['last', '', '']], 'reading goes on')
      assert.equal(faults.length, found ? 0 : 1)
      if (!found) assert.match(faults[0]!, /^f\.csv line 2: at most 3 values, separated by ","/)
    })
  }

  const headers: [header: string, isGood: boolean][] = [
    ['uid', true],
    ['UID,Person', true],
    ['label', false],
    ['uid,uid', false],
    ['uid,colour', false],
    ['', false],
    ['"uid', false]
  ]
  for (const [header, isGood] of headers) {
    it(`with the header ${JSON.stringify(header)} is ${isGood ? 'read' : 'refused'}`, () => {
      const { table, faults } = parse(`${header}\n1`)
      assert.equal(table !== undefined, isGood)
      if (!isGood) assert.match(faults[0]!, /^f\.csv line 1: the header line uid,label,person \(a must: uid\)/)
    })
  }

  it('without a line is a fault, but where a line has one already', () => {
    assert.deepEqual(parse('uid\n').faults, ['f.csv: at least one line after the header, found none'])
    assert.deepEqual(parse('uid\n1,2').faults, ['f.csv line 2: at most 1 values, separated by ",", found "1,2"'])
  })

  it('a fault shows 60 characters of a line', () => {
    assert.equal(quoted('x'.repeat(60)), `"${'x'.repeat(60)}"`)
    assert.equal(quoted('x'.repeat(61)), `"${'x'.repeat(60)}..."`)
  })
})
