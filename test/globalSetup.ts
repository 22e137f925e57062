// Starts one PostgreSQL for a whole test run. All test files share it, and each uses its own databases. A file that
// runs alone starts a PostgreSQL itself (test/harness.ts). If TEST_DATABASE_URL is set, all files use that server.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedDatabase, startEmbeddedDatabase } from '../src/server/store/embeddedDatabase.ts'

let folder: string | undefined
let database: EmbeddedDatabase | undefined

export async function globalSetup(): Promise<void> {
  if (process.env.TEST_DATABASE_URL !== undefined) return
  folder = mkdtempSync(join(tmpdir(), 'chargelift-tests-'))
  database = await startEmbeddedDatabase(folder)
  process.env.TEST_DATABASE_URL = database.url
}

export async function globalTeardown(): Promise<void> {
  await database?.stop()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
}
