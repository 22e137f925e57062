// Runs `chargelift edge` as a separate process for the tests that cross modules. Tests start it, kill it and read its
// log.

import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Harness } from './harness.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

interface LogLine {
  readonly event?: string
  readonly reason?: string
  readonly fault?: string
  readonly step?: string
}

export interface EdgeSetup {
  /** The name of a certificate that has been issued. */
  readonly name: string
  readonly brokerPort: number
  readonly spool: string
  /** The name and the address of each charger. */
  readonly chargers: readonly { readonly name: string; readonly url: string }[]
  /** Default: mennekes-amtron. */
  readonly driver?: string
  readonly pollIntervalMs?: number
}

/** Writes the edge configuration and returns its path. */
export function writeEdgeConfig(harness: Harness, setup: EdgeSetup): string {
  const { name, brokerPort, spool, chargers, driver = 'mennekes-amtron', pollIntervalMs = 100 } = setup
  const at = (path: string) => JSON.stringify(join(harness.certs, path))
  const file = join(harness.dir, `${name}.yaml`)
  const key = driver === 'mennekes-amtron' ? { devKey: '0000' } : {}
  const entries = chargers.map(charger => ({ ...charger, driver, ...key, pollIntervalMs }))
  const lines = [
    `broker: mqtts://localhost:${brokerPort}`,
    `tls: {ca: ${at('ca.pem')}, cert: ${at(`devices/${name}.pem`)}, key: ${at(`devices/${name}.key`)}}`,
    `spool: {path: ${JSON.stringify(spool)}}`,
    `chargers: ${JSON.stringify(entries)}`
  ]
  writeFileSync(file, lines.join('\n'))
  return file
}

/** `chargelift edge` as a separate process. It is killed when the harness stops. */
export class EdgeProcess {
  readonly lines: LogLine[] = []
  readonly #configFile: string
  readonly #flags: readonly string[]
  readonly #cache: string
  #process: ChildProcess | undefined

  constructor(configFile: string, harness: Pick<Harness, 'onEnd' | 'dir'>, flags: readonly string[] = []) {
    this.#configFile = configFile
    this.#cache = join(harness.dir, 'cache')
    this.#flags = flags
    harness.onEnd(() => this.end('SIGKILL'))
  }

  /** Runs `chargelift edge replay`, whether the edge runs or not. Returns the printed text. */
  async replay(since: string): Promise<string> {
    const args = ['src/cli.ts', 'edge', 'replay', '--config', this.#configFile, '--since', since]
    const child = spawn(process.execPath, args, { cwd: root })
    let printed = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (printed += chunk))
    await once(child, 'close')
    return printed
  }

  start(): void {
    const child = spawn(process.execPath, ['src/cli.ts', 'edge', '--config', this.#configFile, ...this.#flags], {
      cwd: root,
      // The edge runs as users run it, with a code cache. The cache lies in the folder of the test and is deleted with
      // it.
      env: { ...process.env, XDG_CACHE_HOME: this.#cache }
    })
    this.#process = child
    let rest = ''
    child.stdout.on('data', chunk => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      this.lines.push(...lines.map(line => JSON.parse(line)))
    })
    child.stderr.on('data', chunk => this.lines.push({ event: 'stderr', reason: String(chunk) }))
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return null
    const closed = once(child, 'close')
    child.kill(signal)
    await closed
    return child.exitCode
  }

  count(event: string, reason = /^/): number {
    return this.lines.filter(line => line.event === event && reason.test(line.reason ?? '')).length
  }
}

/**
 * Returns a name with a short pause. The edge pauses for up to 10 s after a good connection and hashes the pause from
 * its name. A short pause makes the test faster.
 */
export function quickName(prefix: string): string {
  for (let i = 0; ; i++) {
    const name = `${prefix}-${i}`
    if (createHash('sha256').update(name).digest()[0]! < 10) return name
  }
}
