import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConfigFault } from '../../model/errors.ts'
import { parseDeviceCsv } from './deviceCsv.ts'

function parse(text: string) {
  const faults: ConfigFault[] = []
  const orders = parseDeviceCsv(text, 'd.csv', faults)
  return { drafts: orders.map(({ draft }) => draft), orders, faults }
}

test('each line is a device, in any order of columns, with or without quotes', () => {
  const { drafts, faults } = parse('days,name,chargers,role\n10,a,x;y z,edge\n , "b" ,"p  q",\n\n,c\n')
  assert.deepEqual(faults, [])
  assert.deepEqual(drafts, [
    { name: 'a', role: 'edge', chargers: ['x', 'y', 'z'], days: '10' },
    { name: 'b', role: '', chargers: ['p', 'q'], days: '' },
    { name: 'c', role: '', chargers: [], days: '' }
  ])
})

test('what a spreadsheet writes is understood: byte order mark, CRLF, capitals', () => {
  const { drafts, faults } = parse('\uFEFFName,Role\r\na,consumer\r\n')
  assert.deepEqual(faults, [])
  assert.deepEqual(drafts, [{ name: 'a', role: 'consumer', chargers: [], days: '' }])
})

test('a fault names file, line and field', () => {
  const { orders } = parse('name\n\na\n')
  assert.equal(orders[0]!.pathOf('days'), 'd.csv line 3 days')
})

test('a header that is missing, separated by semicolons, without name, doubled or unknown is refused', () => {
  for (const header of ['', 'a,edge', 'name;role', 'role,days', 'name,name', 'name,colour', '"name']) {
    const { drafts, faults } = parse(`${header}\nx,edge\n`)
    assert.deepEqual(drafts, [])
    assert.deepEqual(
      faults.map(({ path }) => path),
      ['d.csv line 1'],
      header
    )
  }
})

test('lines with too many values or open quotes are told all at once, by number', () => {
  const { drafts, faults } = parse('name,role\na,edge,x\nb\n"c,edge\nd "e",edge\n')
  assert.deepEqual(
    drafts.map(({ name }) => name),
    ['b']
  )
  assert.deepEqual(
    faults.map(({ path }) => path),
    ['d.csv line 2', 'd.csv line 4', 'd.csv line 5']
  )
})

test('a quote within a cell survives, to be refused as a name later', () => {
  assert.deepEqual(parse('name\n"a""b"\n').drafts[0]!.name, 'a"b')
})

test('a file without devices is a fault', () => {
  assert.deepEqual(
    parse('name,role\n\n').faults.map(({ path }) => path),
    ['d.csv']
  )
})
