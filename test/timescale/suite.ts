// A suite of ours as a process of its own, against the database server at `databaseUrl`: what became of each of its
// tests.

import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Outcome {
  readonly name: string
  readonly passed: boolean
  /** Why it did not run. */
  readonly skipped: string | undefined
}

export interface SuiteRun {
  readonly outcomes: readonly Outcome[]
  /** All that it printed. */
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
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env // else it would report to this run, in another format
  const child = spawn(process.execPath, ['--test-reporter=tap', ...skips, file], {
    cwd: root,
    signal,
    env: { ...environment, TEST_DATABASE_URL: databaseUrl },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  child.on('error', () => {}) // by the signal; its exit tells
  const [output, code] = await Promise.all([
    text(child.stdout),
    new Promise<number | null>(resolve => child.once('exit', resolve))
  ])
  return { outcomes: outcomesOf(output), output, code }
}

/** Of the tests in the output of Node's TAP reporter; their suites are left out. [https://testanything.org] */
function outcomesOf(tap: string): Outcome[] {
  const lines = tap.matchAll(
    /^ *(not )?ok \d+ - (.*?)(?: # SKIP ?(.*))?\n *---\n *duration_ms: \S+\n *type: '(\w+)'$/gm
  )
  return [...lines]
    .filter(([, , , , type]) => type === 'test')
    .map(([, failed, name, skipped]) => ({ name: name!, passed: failed === undefined, skipped }))
}
