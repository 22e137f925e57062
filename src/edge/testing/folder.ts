// Makes a temporary folder for each test. It is removed when the test is over.

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

export function temporaryFolder(t: Pick<TestContext, 'after'>, parent = tmpdir()): string {
  const folder = mkdtempSync(join(parent, 'chargelift-edge-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A folder in memory, if the system has one. For tests that write more often than a disk can sync. */
export const memoryFolder = (t: Pick<TestContext, 'after'>): string =>
  temporaryFolder(t, existsSync('/dev/shm') ? '/dev/shm' : tmpdir())
