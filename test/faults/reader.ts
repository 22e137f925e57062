// A subscriber of all topics that connects again after every loss. It records a fault if the time goes back on a topic.
// It keeps every message that it received, so that a test can compare the messages with the database.

import { setTimeout as sleep } from 'node:timers/promises'
import { WireClient } from '../wire.ts'

export interface Told {
  readonly topic: string
  readonly time: string
  readonly value: unknown
}

export class Reader {
  /** The newest message of each topic. */
  readonly newest = new Map<string, Told>()
  readonly told: Told[] = []
  readonly faults: string[] = []
  readonly #certs: string
  readonly #name: string
  readonly #port: number
  #client: WireClient | undefined
  #isStopped = false

  constructor(certs: string, name: string, port: number) {
    this.#certs = certs
    this.#name = name
    this.#port = port
  }

  /** Connects and reads until `stop`. */
  async run(): Promise<void> {
    while (!this.#isStopped) {
      const client = new WireClient({ certs: this.#certs, name: this.#name, port: this.#port, clientId: this.#name })
      this.#client = client
      const isIn = (await client.connect().catch(() => undefined)) === 0
      if (isIn) await client.subscribe('chargers/#').catch(() => {})
      while (!client.closed && !this.#isStopped && isIn) {
        this.#take(client)
        await sleep(20)
      }
      this.#take(client)
      client.destroy()
      await sleep(100)
    }
  }

  stop(): void {
    this.#isStopped = true
    this.#client?.destroy()
  }

  #take(client: WireClient): void {
    for (const packet of client.received.splice(0)) {
      if (packet.cmd !== 'publish') continue
      if (packet.qos === 1) client.send({ cmd: 'puback', messageId: packet.messageId! })
      const { SamplingTime: time, Value: value } = JSON.parse(packet.payload.toString())
      const told = { topic: packet.topic, time, value }
      const before = this.newest.get(packet.topic)
      if (before !== undefined && time < before.time) {
        this.faults.push(`${packet.topic}: ${time} came after ${before.time}`)
      }
      this.newest.set(packet.topic, told)
      this.told.push(told)
    }
  }
}
