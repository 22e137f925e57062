// Runs a server as a separate process. Its ports stay the same over all restarts. Tests kill, stop and resume the
// process.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../src/server/ports.ts'
import { until, waitMaxMs } from '../harness.ts'

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

export class ServerProcess {
  readonly mqttPort: number
  readonly #httpPort: number
  readonly #args: readonly string[]
  #child: ChildProcess | undefined
  /** The end of the log over all restarts. */
  log = ''

  private constructor(mqttPort: number, httpPort: number, args: readonly string[]) {
    this.mqttPort = mqttPort
    this.#httpPort = httpPort
    this.#args = args
  }

  static async create(certs: string, databaseUrl: string, ...more: readonly string[]): Promise<ServerProcess> {
    const [mqttPort, httpPort] = [await freePort(), await freePort()]
    const tls = ['ca:ca.pem', 'cert:server.pem', 'key:server.key', 'crl:crl.pem'].flatMap(pair => {
      const [flag, file] = pair.split(':')
      return [`--tls-${flag}`, join(certs, file!)]
    })
    const ports = ['--mqtt-host', '127.0.0.1', '--mqtt-port', String(mqttPort), '--http-port', String(httpPort)]
    return new ServerProcess(mqttPort, httpPort, [...ports, ...tls, '--database-url', databaseUrl, ...more])
  }

  /** Starts the process and does not wait until it is ready. */
  start(): void {
    this.#child = spawn(process.execPath, [cli, 'server', '--log-level', 'warn', ...this.#args])
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on('data', chunk => {
        this.log = (this.log + chunk).slice(-20_000)
      })
    }
  }

  async ready(timeoutMs = waitMaxMs): Promise<void> {
    await until(
      () => this.isReady(),
      isReady => isReady,
      timeoutMs
    )
  }

  async isReady(): Promise<boolean> {
    return (await this.reasons()).length === 0
  }

  /** The reasons why the server is not ready. Empty if it is ready. */
  async reasons(): Promise<readonly string[]> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.#httpPort}/readyz`)
      return ((await answer.json()) as { reasons: string[] }).reasons
    } catch {
      return ['it does not answer']
    }
  }

  /** Sends the signal. Resolves with the exit code when the process is gone. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const child = this.#child!
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
    const exit = once(child, 'exit')
    child.kill(signal)
    if (signal === 'SIGKILL') child.kill('SIGCONT')
    return (await exit)[0]
  }

  /** Sends SIGHUP: the server reads its certificate files again. */
  reload(): void {
    this.#child!.kill('SIGHUP')
  }

  pause(): void {
    this.#child!.kill('SIGSTOP')
  }

  resume(): void {
    this.#child!.kill('SIGCONT')
  }

  /** The resident memory in MiB. */
  rssMb(): number {
    const status = readFileSync(`/proc/${this.#child!.pid}/status`, 'utf8')
    return Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1024)
  }

  /** All metrics of one scrape by name. The values of a metric with labels are summed. */
  async metrics(): Promise<Map<string, number>> {
    const text = await (await fetch(`http://127.0.0.1:${this.#httpPort}/metrics`)).text()
    const sums = new Map<string, number>()
    for (const line of text.split('\n')) {
      const [, name, value] = /^([a-z_]+)(?:\{[^}]*\})? (\S+)$/.exec(line) ?? []
      if (name !== undefined) sums.set(name, (sums.get(name) ?? 0) + Number(value))
    }
    return sums
  }
}
