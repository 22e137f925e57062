// `chargelift edge --config FILE --check`: prints a line for each step of the check, and advice for each failed step.

import { pino } from 'pino'
import { check, type Step } from '../../edge/check.ts'
import type { EdgeConfig } from '../../edge/config.ts'
import { loadEdgeConfig } from '../../edge/config.ts'
import { ConfigError, exitCodeConfig, faultText } from '../../model/errors.ts'
import { valueSpecs } from '../../model/wire/chargerState.ts'

/**
 * Sets the exit code: 0 when no step failed, 78 for faults of the configuration, otherwise 1. Prints these faults and
 * does not throw them.
 */
export async function checkCommand(path: string): Promise<void> {
  const config = readConfig(path)
  if (config === undefined) return
  let failed = 0
  for await (const step of check(config, { log: pino({ level: 'silent' }) })) {
    if (step.outcome === 'fail') failed++
    printStep(step)
  }
  print(failed === 0 ? '\nThe whole way works.' : `\n${failed} ${failed === 1 ? 'step' : 'steps'} failed.`)
  if (failed > 0) process.exitCode = 1
}

function readConfig(path: string): EdgeConfig | undefined {
  try {
    return loadEdgeConfig(path)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    for (const fault of error.faults) printStep({ name: 'config', outcome: 'fail', found: faultText(fault) })
    print(`\nCorrect ${path} first; the other steps need it.`)
    process.exitCode = exitCodeConfig
    return undefined
  }
}

function printStep({ name, outcome, found, whatToDo, values }: Step): void {
  print(`${labels[outcome]}  ${name.padEnd(11)}  ${found}${whatToDo === undefined ? '' : `. ${whatToDo}`}`)
  if (values === undefined) return
  for (const { name, unit } of valueSpecs) {
    const value = values[name]
    if (value !== undefined) print(`        ${name.padEnd(24)}${value === '' ? '(none)' : value}${unit && ` ${unit}`}`)
  }
}

const labels = { ok: 'ok  ', note: 'note', fail: 'FAIL', skip: 'skip' } as const

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
