// Writes the state of the edge as JSON to a file on this machine every ten seconds, for a monitoring agent or a person
// on site. The file is whole at any moment, and removed when the edge stops. A disk that fails costs the file, and
// never the edge.

import { renameSync, rmSync, writeFileSync } from 'node:fs'
import type { Logger } from 'pino'
import type { RunningEdge } from './edge.ts'
import { statusFileIntervalMs } from './limits.ts'

export class StatusFile {
  readonly #path: string
  readonly #edge: Pick<RunningEdge, 'report'>
  readonly #log: Logger
  readonly #timer: NodeJS.Timeout
  #hasFailed = false

  constructor(path: string, edge: Pick<RunningEdge, 'report'>, log: Logger, intervalMs = statusFileIntervalMs) {
    this.#path = path
    this.#edge = edge
    this.#log = log
    this.#write()
    this.#timer = setInterval(() => this.#write(), intervalMs).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#try(() => rmSync(this.#path, { force: true }))
  }

  #write(): void {
    this.#try(() => {
      const next = `${this.#path}.next`
      writeFileSync(next, `${JSON.stringify({ Time: new Date().toISOString(), ...this.#edge.report() }, null, 2)}\n`)
      renameSync(next, this.#path)
      this.#hasFailed = false
    })
  }

  #try(work: () => void): void {
    try {
      work()
    } catch (error) {
      if (!this.#hasFailed)
        this.#log.warn({ event: 'status_file_failed', err: error }, 'the status file cannot be written')
      this.#hasFailed = true
    }
  }
}
