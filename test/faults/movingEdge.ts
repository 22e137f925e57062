// An edge of a test that goes on whatever happens to the servers: one message at a time, each again until it is
// acknowledged, through whatever connection there is. Keeps what was acknowledged, to be held against the database.

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
  /** Value by SamplingTime. */
  readonly acked = new Map<string, number>()
  readonly commands: string[] = []
  /** Everything that was ever sent, once each. */
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
      } catch {} // and again
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
        // What came is not kept: thousands of acknowledgements would be searched for each new one.
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
