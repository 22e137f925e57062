// Tells systemd that the edge or the server is ready, alive or stopping (sd_notify), if systemd asks for it. Node has
// no AF_UNIX datagram sockets, so `systemd-notify` sends the messages. The unit therefore needs NotifyAccess=all. Two
// signs of life are sent in each watchdog time: by the edge while polls go on, by the server while its event loop
// turns.

import { execFile } from 'node:child_process'
import type { Logger } from 'pino'
import { readSystemdEnvironment } from './config.ts'

const command = 'systemd-notify'
/**
 * In ms. `systemd-notify` waits until systemd has taken the message. Otherwise systemd could not attribute the message,
 * because its sender would have ended.
 */
const timeoutMs = 10_000

export class Systemd {
  readonly #log: Logger
  readonly #isAsked: boolean
  readonly #watchdogMs: number | undefined
  #timer: NodeJS.Timeout | undefined
  #hasFailed = false

  constructor(log: Logger, { hasNotifySocket, watchdogMs } = readSystemdEnvironment()) {
    this.#log = log
    this.#isAsked = hasNotifySocket
    this.#watchdogMs = watchdogMs
  }

  async ready(isAlive: () => boolean): Promise<void> {
    await this.#tell('READY=1')
    if (!this.#isAsked || this.#watchdogMs === undefined) return
    const feed = () => {
      if (isAlive()) void this.#tell('WATCHDOG=1')
      else
        this.#log.error(
          { event: 'stuck' },
          'what should go on stands still: systemd is not told that the process is alive'
        )
    }
    this.#timer = setInterval(feed, this.#watchdogMs / 2).unref()
  }

  async stopping(): Promise<void> {
    clearInterval(this.#timer)
    await this.#tell('STOPPING=1')
  }

  #tell(state: string): Promise<void> {
    if (!this.#isAsked) return Promise.resolve()
    return new Promise(resolve => {
      execFile(command, [state], { timeout: timeoutMs }, error => {
        if (error && !this.#hasFailed) {
          this.#hasFailed = true
          this.#log.warn({ event: 'notify_failed', err: error }, `${command} cannot tell systemd; is it installed?`)
        }
        resolve()
      })
    })
  }
}
