import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../testing/folder.ts'
import { readableLog } from '../testing/log.ts'
import { EnergyFile } from './energyFile.ts'

const saved = (totalWh: number, serial = '1') => ({ energy: { totalWh, last: { energyWh: 7 }, doubts: 0 }, serial })

test('what was noted is there after a restart, and no temporary file is left', t => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'spool.sqlite')
  const { log, lines } = readableLog()
  const file = new EnergyFile(path, log)
  assert.equal(file.of('wb'), undefined)
  file.note('wb', saved(100), 'first')
  file.note('left', saved(5), 'first')
  const again = new EnergyFile(path, log)
  assert.deepEqual([again.of('wb'), again.of('left')], [saved(100), saved(5)])
  assert.deepEqual(readdirSync(folder), ['spool.sqlite.energy.json'])
  assert.deepEqual(lines, [])
})

test('it is written at the steps that the counter would not tell, else every 15 minutes, and at the end', t => {
  const path = join(temporaryFolder(t), 'spool.sqlite')
  let nowMs = 0
  const file = new EnergyFile(path, readableLog().log, () => nowMs)
  const onDisk = () => JSON.parse(readFileSync(`${path}.energy.json`, 'utf8')).wb.energy.totalWh
  file.note('wb', saved(1), 'same_session')
  assert.equal(onDisk(), 1, 'the first of all')
  file.note('wb', saved(2), 'same_session')
  nowMs = 899_999
  file.note('wb', saved(3), 'same_session')
  assert.equal(onDisk(), 1)
  nowMs = 900_000
  file.note('wb', saved(4), 'same_session')
  assert.equal(onDisk(), 4)
  file.note('wb', saved(5), 'new_session')
  assert.equal(onDisk(), 5)
  file.note('wb', saved(5, '2'), 'rebased')
  file.note('wb', saved(6, '2'), 'same_meter')
  assert.equal(onDisk(), 5)
  file.flush()
  assert.equal(onDisk(), 6)
})

test('a damaged file is told and begun anew; what makes no sense in it is left out', t => {
  const path = join(temporaryFolder(t), 'spool.sqlite')
  const { log, events } = readableLog()
  writeFileSync(`${path}.energy.json`, '{"wb": {"ener')
  const file = new EnergyFile(path, log)
  assert.deepEqual([file.of('wb'), events()], [undefined, ['energy_file_failed']])
  const odd = {
    wb: saved(3),
    a: null,
    b: { energy: { totalWh: -1, last: { energyWh: 1 } } },
    c: { energy: { totalWh: 1 } }
  }
  writeFileSync(`${path}.energy.json`, JSON.stringify(odd))
  const other = new EnergyFile(path, log)
  assert.deepEqual(
    [other.of('wb'), other.of('a'), other.of('b'), other.of('c')],
    [saved(3), undefined, undefined, undefined]
  )
})

test('a disk that fails is told once, and the next write that works has everything', t => {
  const folder = join(temporaryFolder(t), 'gone')
  const path = join(folder, 'spool.sqlite')
  const { log, events } = readableLog()
  const file = new EnergyFile(path, log)
  for (const wh of [1, 2, 3]) file.note('wb', saved(wh), 'new_session')
  assert.deepEqual(events(), ['energy_file_failed'])
  mkdirSync(folder)
  file.flush()
  assert.deepEqual(new EnergyFile(path, log).of('wb'), saved(3))
  rmSync(folder, { recursive: true })
})
