import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { canStartAgain, startOf } from './self.ts'

test('a program that is emulated does not start itself anew', t => {
  const folder = mkdtempSync(join(tmpdir(), 'chargelift-self-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'arch')
  assert.equal(canStartAgain('arm64', file), true, 'an old kernel does not say what it is')
  writeFileSync(file, 'x86_64\n')
  assert.equal(canStartAgain('arm64', file), false)
  assert.equal(canStartAgain('x64', file), true)
  writeFileSync(file, 'aarch64\n')
  assert.equal(canStartAgain('arm64', file), true)
})

test('from source, flags for Node stand before the entry', () => {
  const { file, args } = startOf(['--no-opt'], ['edge', '--once'])
  assert.equal(file, process.execPath)
  assert.equal(args[0], '--no-opt')
  assert.deepEqual(args.slice(-3), [process.argv[1], 'edge', '--once'])
})
