// Tests files in force: when a new file is complete, when it replaces the old one, and which lines are logged.

import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { SecurityEvent } from '../../model/server/security.ts'
import { FilesInForce } from './filesInForce.ts'
import { FileWatch } from './fileWatch.ts'

/** Two files in memory. Records the log lines and the replacements. */
function bench() {
  const disk = { a: 'a1', b: 'b1', fault: undefined as string | undefined }
  const told: string[] = []
  const replaced: string[] = []
  const files = new FilesInForce({
    paths: { a: '/a', b: '/b' },
    read: () => {
      if (disk.fault !== undefined) throw new Error(disk.fault)
      return { a: Buffer.from(disk.a), b: Buffer.from(disk.b) }
    },
    report: (event: SecurityEvent) => {
      if (event.event === 'reloaded' || event.event === 'reload_failed')
        told.push(`${event.event} [${event.files}] ${event.reason}`)
    }
  })
  const stop = files.watch((next, former) => replaced.push(`${former.a}${former.b} to ${next.a}${next.b}`))
  stop()
  return { disk, told, replaced, files }
}

test('the same files again change nothing, and nobody is told', () => {
  const { told, replaced, files } = bench()
  files.reload()
  assert.deepEqual([told, replaced, files.fault], [[], [], undefined])
})

test('what has changed comes into force, and is told by its path', () => {
  const { disk, told, replaced, files } = bench()
  disk.b = 'b2'
  files.reload()
  assert.deepEqual([told, replaced], [['reloaded [/b] '], ['a1b1 to a1b2']])
  assert.equal(String(files.current.b), 'b2')
})

test('what is refused changes nothing, and each reason is told once', () => {
  const { disk, told, replaced, files } = bench()
  for (const fault of ['half\nwritten', 'half\nwritten', 'expired']) {
    disk.fault = fault
    files.reload()
  }
  assert.deepEqual(told, ['reload_failed [/a,/b] half; written', 'reload_failed [/a,/b] expired'])
  assert.deepEqual([replaced, files.fault, String(files.current.a)], [[], 'expired', 'a1'])
  disk.fault = undefined
  files.reload()
  assert.equal(told.at(-1), 'reloaded [] the files are again those in force')
  assert.deepEqual([replaced, files.fault], [[], undefined])
  disk.fault = 'expired'
  files.reload()
  assert.equal(told.length, 4, 'a fault that comes back is told again')
})

function folder(t: TestContext): (name: string) => string {
  const dir = mkdtempSync(join(tmpdir(), 'chargelift-watch-'))
  t.after(() => rmSync(dir, { recursive: true }))
  return name => join(dir, name)
}

test('a file has changed when it has stayed the same between two looks, and once', async t => {
  const at = folder(t)
  writeFileSync(at('a'), '1')
  const watch = new FileWatch([at('a'), at('b')])
  assert.equal(await watch.hasChanged(), false, 'it may be being written')
  assert.equal(await watch.hasChanged(), true)
  assert.equal(await watch.hasChanged(), false)
  writeFileSync(at('a'), '12')
  assert.equal(await watch.hasChanged(), false)
  writeFileSync(at('a'), '123')
  assert.equal(await watch.hasChanged(), false, 'it still grows')
  assert.equal(await watch.hasChanged(), true)
})

test('another file in its place, and one that comes or goes, are changes', async t => {
  const at = folder(t)
  writeFileSync(at('a'), '1')
  const watch = new FileWatch([at('a')])
  const settles = async (): Promise<boolean[]> => [await watch.hasChanged(), await watch.hasChanged()]
  await settles()
  writeFileSync(at('new'), '1')
  renameSync(at('new'), at('a'))
  assert.deepEqual(await settles(), [false, true])
  rmSync(at('a'))
  assert.deepEqual(await settles(), [false, true])
  assert.deepEqual(await settles(), [false, false])
})

test('a file that was read without being asked for is read once more when it is whole', async t => {
  const at = folder(t)
  writeFileSync(at('a'), '1')
  const watch = new FileWatch([at('a')])
  await watch.hasChanged()
  await watch.hasChanged()
  watch.forget()
  assert.equal(await watch.hasChanged(), true)
  assert.equal(await watch.hasChanged(), false)
})
