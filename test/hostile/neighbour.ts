// A well-behaved device that publishes all the time and remembers the time of the slowest acknowledgement.

import { setTimeout as sleep } from 'node:timers/promises'
import { envelope } from '../harness.ts'
import type { WireClient } from '../wire.ts'

export class Neighbour {
  slowestMs = 0
  acknowledged = 0
  readonly #client: WireClient
  readonly #topic: string
  #stopped = false
  #done: Promise<void>

  constructor(client: WireClient, name: string) {
    this.#client = client
    this.#topic = `chargers/${name}/PowerOutput`
    this.#done = this.#run()
  }

  /** Stops the device. Throws if it was disconnected. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#done
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const sinceMs = performance.now()
      await this.#client.acked(this.#client.publish(this.#topic, envelope(this.acknowledged)))
      this.slowestMs = Math.max(this.slowestMs, performance.now() - sinceMs)
      this.acknowledged++
      this.#client.received.length = 0
      await sleep(5)
    }
  }
}
