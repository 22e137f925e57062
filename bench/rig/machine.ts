// Describes the machine and the versions of a bench run, so that nobody compares the figures of two machines by
// mistake.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

export interface Machine {
  readonly cores: number
  readonly cpu: string
  readonly memoryMb: number
  readonly kernel: string
  /** The load average before the first run. A busy machine gives poor measurements. */
  readonly loadAverage: number
}

export const describeMachine = (): Machine => ({
  cores: cpus().length,
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  memoryMb: Math.round(totalmem() / 1024 ** 2),
  kernel: release(),
  loadAverage: Math.round(loadavg()[0]! * 100) / 100
})

const root = fileURLToPath(new URL('../..', import.meta.url))

export function describeVersions(): Record<string, string> {
  const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as { version: string }
  const commit = outputOf('git', ['-C', root, 'describe', '--always', '--dirty'])
  return {
    chargelift: commit === undefined ? version : `${version} (${commit})`,
    node: process.version,
    openssl: process.versions.openssl
  }
}

/** The standard output of a program. Undefined when the program cannot run. */
function outputOf(program: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return undefined
  }
}
