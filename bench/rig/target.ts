// A target is the server that a fleet sends to: the product, or a baseline.

import type { GeneratorOptions } from '../load/generator.ts'
import type { Scrape } from './metrics.ts'
import type { CpuReading } from './processes.ts'

export interface Target {
  readonly name: string
  readonly address: Pick<GeneratorOptions, 'host' | 'port' | 'certs'>
  /**
   * CPU in ms of the target's processes, from their start. `storing` lists the keys that belong to the cost of storing
   * a message.
   */
  cpu(): CpuReading
  readonly storing: readonly string[]
  /** What the target stores as one row. */
  readonly row: 'poll' | 'message' | 'nothing'
  /** Undefined for a process that is not on this machine. */
  rssBytes(): number | undefined
  metrics(): Promise<Scrape | undefined>
  /**
   * The number of messages stored so far. Only for targets that acknowledge before they store. The fleet then waits for
   * this number and not for acknowledgements.
   */
  readonly stored: (() => Promise<number>) | undefined
  /** Throws VerifyError unless the target holds exactly the acknowledged messages. */
  verify(ledger: Float64Array): Promise<void>
  close(): Promise<void>
}
