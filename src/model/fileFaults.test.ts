import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { faultText } from './errors.ts'
import { isFileError, readFault, writeFault } from './fileFaults.ts'

const causeOf = (work: () => unknown): unknown => {
  try {
    work()
  } catch (cause) {
    return cause
  }
  return assert.fail('nothing was thrown')
}
const withCode = (code: string): unknown => Object.assign(new Error('text of the system'), { code })

test('a file that cannot be read is told with its path first and a reason in plain words', t => {
  const dir = mkdtempSync(join(tmpdir(), 'chargelift-faults-'))
  t.after(() => rmSync(dir, { recursive: true }))
  writeFileSync(join(dir, 'file'), '')
  for (const [file, reason] of [
    [join(dir, 'none'), 'no such file'],
    [dir, 'a folder, not a file'],
    [join(dir, 'file/below'), 'a part of this path is a file, not a folder']
  ] as const) {
    const cause = causeOf(() => readFileSync(file))
    assert.equal(isFileError(cause), true)
    assert.equal(faultText(readFault(file, cause)), `${file}: ${reason}`)
  }
  assert.equal(faultText(readFault('/f', withCode('EACCES'))), '/f: no permission to read it')
  assert.equal(faultText(readFault('/f', withCode('EIO'))), '/f: it cannot be used (EIO)')
})

test('the flag that names the file stands behind the reason, and is the path of the fault', () => {
  const fault = readFault('ca.pem', withCode('ENOENT'), '--tls-ca')
  assert.equal(faultText(fault), 'ca.pem: no such file (--tls-ca)')
  assert.equal(fault.path, '--tls-ca')
})

test('a file that cannot be written has reasons of its own', t => {
  const dir = mkdtempSync(join(tmpdir(), 'chargelift-faults-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const file = join(dir, 'none/file')
  assert.equal(
    faultText(
      writeFault(
        file,
        causeOf(() => writeFileSync(file, ''))
      )
    ),
    `${file}: its folder does not exist`
  )
  assert.equal(faultText(writeFault('/f', withCode('EACCES'))), '/f: no permission to write it')
  assert.equal(faultText(writeFault('/f', withCode('ENOSPC'))), '/f: the disk is full')
})

test('an error that is not about a file is none of these', () => {
  for (const cause of [new Error('x'), new TypeError('x'), withCode('ECONNREFUSED'), undefined, 'x']) {
    assert.equal(isFileError(cause), false)
  }
})
