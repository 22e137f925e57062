// Runs the command line as processes for tests of the output and the exit codes. Every folder and every process is gone
// when the test file has ended.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { until } from './harness.ts'

const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url))
const folders: string[] = []
const programs: Program[] = []

after(async () => {
  for (const program of programs) program.kill('SIGKILL')
  await Promise.all(programs.map(program => program.exit))
  for (const folder of folders) {
    stopPostgres(folder)
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
})

/**
 * Stops the PostgreSQL of a killed server. A killed server leaves it to the next server, but a test starts no next
 * server.
 */
function stopPostgres(folder: string): void {
  const pidFile = join(folder, 'data/postgres/postmaster.pid')
  if (existsSync(pidFile)) process.kill(Number(readFileSync(pidFile, 'utf8').split('\n')[0]), 'SIGQUIT')
}

export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'chargelift-cli-'))
  folders.push(path)
  return path
}

export class Program {
  readonly child: ChildProcess
  readonly exit: Promise<number | null>
  stdout = ''
  stderr = ''

  constructor(cwd: string, args: readonly string[], env: Record<string, string> = {}) {
    const { DATABASE_URL: _url, REDIS_URL: _redis, ...inherited } = process.env
    this.child = spawn(process.execPath, [cli, ...args], { cwd, env: { ...inherited, ...env } })
    this.child.stdout!.on('data', chunk => (this.stdout += chunk))
    this.child.stderr!.on('data', chunk => (this.stderr += chunk))
    this.exit = once(this.child, 'close').then(([code]) => code)
    programs.push(this)
  }

  /** Waits for the log line with this message and returns it. */
  async line(msg: string): Promise<Record<string, unknown>> {
    const find = (): Record<string, unknown> | undefined =>
      this.stdout
        .split('\n')
        .filter(line => line.startsWith('{') && line.endsWith('}'))
        .map(line => JSON.parse(line))
        .find(line => line.msg === msg)
    await until(() => find() ?? this.ended(), Boolean)
    const line = find()
    assert.ok(line, `no line "${msg}" in:\n${this.stdout}\n${this.stderr}`)
    return line
  }

  ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.ended()) this.child.kill(signal)
  }
}

export async function run(
  cwd: string,
  ...args: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const program = new Program(cwd, args)
  const code = await program.exit
  return { code, stdout: program.stdout, stderr: program.stderr }
}

export const anyPorts = ['--mqtt-host', '127.0.0.1', '--mqtt-port', '0', '--http-port', '0']
