// Tests the data folder of a server: access rights, and the remains of a killed server.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ConfigError } from '../../model/errors.ts'
import { lockDataDir, prepareDataDir } from './dataDir.ts'

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'chargelift-data-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
const birthOf = (pid: number): string =>
  `${pid} ${readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[19]}`

test('a folder is made with all above it, for its owner alone; one that is there stays as it is', t => {
  const path = join(folder(t), 'a', 'b')
  prepareDataDir(path)
  assert.equal(statSync(path).mode & 0o777, 0o700)
  prepareDataDir(path)
})

test('a file, and a place where nothing can be made, are no folder', t => {
  const file = join(folder(t), 'file')
  writeFileSync(file, '')
  for (const path of [file, join(file, 'below'), '/proc/none/below'])
    assert.throws(() => prepareDataDir(path), ConfigError, path)
})

test('a server locks its folder, and gives it back', t => {
  const dir = folder(t)
  const unlock = lockDataDir(dir)
  assert.equal(readFileSync(join(dir, 'server.lock'), 'utf8'), birthOf(process.pid))
  unlock()
  assert.equal(existsSync(join(dir, 'server.lock')), false)
})

test('a folder in which another process lives is not taken', t => {
  const dir = folder(t)
  writeFileSync(join(dir, 'server.lock'), birthOf(process.ppid))
  assert.throws(
    () => lockDataDir(dir),
    (error: ConfigError) => error.faults[0]!.found.includes(`process ${process.ppid}`)
  )
})

const leftovers: [what: string, owner: () => string][] = [
  ['of this very process', () => birthOf(process.pid)],
  ['of a process that is gone', () => '4194305 1'],
  ['of a process whose number is another one now', () => `${process.ppid} 1`],
  ['that is empty', () => ''],
  ['that is no lock', () => 'x']
]
for (const [what, owner] of leftovers) {
  test(`a lock ${what} holds nobody back`, t => {
    const dir = folder(t)
    writeFileSync(join(dir, 'server.lock'), owner())
    lockDataDir(dir)()
  })
}
