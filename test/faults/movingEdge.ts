// An edge for tests that continues whatever happens to the servers. It sends one message at a time and repeats the
// message on every new connection until it is acknowledged. It keeps the acknowledged messages, so that a test can
// compare them with the database.

import { setTimeout as sleep } from 'node:timers/promises'
import { envelope, freshTime } from '../harness.ts'
import { WireClient } from '../wire.ts'

export interface MovingEdgeOptions {
  readonly certs: string
  readonly name: string
  readonly port: number
  readonly pauseMs: number
}

interface Message {
  readonly time: string
  readonly value: number
}

export class MovingEdge {
  readonly name: string
  /** The acknowledged values by SamplingTime. */
  readonly acked = new Map<string, number>()
  readonly commands: string[] = []
  /** The number of different messages that were sent. */
  sent = 0
  connections = 0
  isPaused = false
  client: WireClient | undefined
  readonly #options: MovingEdgeOptions
  #pending: Message | undefined
  #isStopped = false
  #running: Promise<void> | undefined

  constructor(options: MovingEdgeOptions) {
    this.#options = options
    this.name = options.name
  }

  get isSettled(): boolean {
    return this.#pending === undefined
  }

  get isConnected(): boolean {
    return this.client !== undefined && !this.client.closed
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.client?.destroy()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.#connection()
      } catch {} // the loop connects again
      await sleep(50 + Math.random() * 200)
    }
  }

  async #connection(): Promise<void> {
    const { certs, name, port, pauseMs } = this.#options
    const client = new WireClient({ certs, name, port, clientId: name })
    if ((await client.connect()) !== 0) return client.destroy()
    this.client = client
    this.connections++
    try {
      await client.subscribe(`chargers/${name}/commands/#`)
      while (!client.closed && !this.#isStopped) {
        if (this.isPaused && this.#pending === undefined) await sleep(20)
        else await this.#next(client)
        // The received packets are removed. Otherwise `acked` would search thousands of old acknowledgements each time.
        for (const packet of client.received.splice(0)) {
          if (packet.cmd === 'publish') this.commands.push(packet.payload.toString())
        }
        await sleep(pauseMs)
      }
    } finally {
      client.destroy()
    }
  }

  async #next(client: WireClient): Promise<void> {
    const isAgain = this.#pending !== undefined
    const message = this.#pending ?? { time: freshTime(), value: ++this.sent }
    this.#pending = message
    const topic = `chargers/${this.name}/PowerOutput`
    await client.acked(client.publish(topic, envelope(message.value, message.time), { dup: isAgain }))
    this.acked.set(message.time, message.value)
    this.#pending = undefined
  }
}
