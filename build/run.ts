// Runs a program to its end and sends its output to the terminal. A program that fails makes the build fail.

import { spawn } from 'node:child_process'
import { once } from 'node:events'

export interface RunOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
}

export async function runProgram(program: string, args: readonly string[], options: RunOptions = {}): Promise<void> {
  await output(program, args, options, 'inherit')
}

/** Runs a program and returns its standard output. */
export const outputOf = (program: string, args: readonly string[], options: RunOptions = {}): Promise<string> =>
  output(program, args, options, 'pipe')

async function output(
  program: string,
  args: readonly string[],
  options: RunOptions,
  stdout: 'inherit' | 'pipe'
): Promise<string> {
  const child = spawn(program, args, { ...options, stdio: ['ignore', stdout, 'inherit'] })
  let text = ''
  child.stdout?.on('data', chunk => (text += chunk))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`expected ${program} ${args.join(' ')} to end with 0, found ${code}`)
  return text
}
