// Runs one of our test suites as a separate process against the database server at `databaseUrl`. Returns the outcome
// of each test.

import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Outcome {
  readonly name: string
  readonly passed: boolean
  /** The reason if the test was skipped. */
  readonly skipped: string | undefined
}

export interface SuiteRun {
  readonly outcomes: readonly Outcome[]
  /** The whole standard output. */
  readonly output: string
  readonly code: number | null
}

export async function runSuite(
  file: string,
  databaseUrl: string,
  without: readonly string[],
  signal: AbortSignal
): Promise<SuiteRun> {
  const skips = without.map(name => `--test-skip-pattern=/(^| )${name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}$/`)
  // With NODE_TEST_CONTEXT, the child would report to this run, in another format.
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env
  const child = spawn(process.execPath, ['--test-reporter=tap', ...skips, file], {
    cwd: root,
    signal,
    env: { ...environment, TEST_DATABASE_URL: databaseUrl },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  child.on('error', () => {}) // the signal causes the error; the exit code reports it
  const [output, code] = await Promise.all([
    text(child.stdout),
    new Promise<number | null>(resolve => child.once('exit', resolve))
  ])
  return { outcomes: outcomesOf(output), output, code }
}

/**
 * Reads the outcomes of the tests from the output of Node's TAP reporter. Suites are left out.
 * [https://testanything.org]
 */
function outcomesOf(tap: string): Outcome[] {
  const lines = tap.matchAll(
    /^ *(not )?ok \d+ - (.*?)(?: # SKIP ?(.*))?\n *---\n *duration_ms: \S+\n *type: '(\w+)'$/gm
  )
  return [...lines]
    .filter(([, , , , type]) => type === 'test')
    .map(([, failed, name, skipped]) => ({ name: name!, passed: failed === undefined, skipped }))
}
