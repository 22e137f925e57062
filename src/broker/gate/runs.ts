// Gathers telemetry packets that lie one behind the other in a chunk, so that they are admitted at once. Plain own
// telemetry of QoS 0 and 1, nearly everything, takes this way alone. Each packet is judged; the run is emptied within
// the read.

import type { Run } from '../../model/server/admission.ts'
import { runCutBytes } from '../../model/server/limits.ts'
import * as frames from './frames.ts'
import { isConnection, type OwnTopics } from './ownTopics.ts'

export class Runs {
  readonly #run: Run
  readonly #own: OwnTopics
  readonly #admit: (run: Run) => void

  /** `run` may be shared: it is empty before and after each read. */
  constructor(run: Run, own: OwnTopics, admit: (run: Run) => void) {
    this.#run = run
    this.#own = own
    this.#admit = admit
  }

  /** Takes a whole packet of plain telemetry. False for every other packet, and for every fault. */
  take(chunk: Buffer, at: number, { type, flags, bodyAt, end }: frames.Frame): boolean {
    if (type !== frames.PUBLISH) return false
    const qos = frames.qosOf(flags)
    const topicAt = bodyAt + 2
    const topicEnd = topicAt + frames.readUInt16(chunk, bodyAt)
    if (qos === 2 || topicEnd + 2 * qos > end) return false
    const ticket = qos === 0 ? 0 : frames.readUInt16(chunk, topicEnd)
    if (qos === 1 && ticket === 0) return false
    const nameAt = this.#own.nameAt(chunk, topicAt, topicEnd)
    if (nameAt === 0 || isConnection(chunk, nameAt, topicEnd)) return false
    this.add(chunk, at, end, ticket)
    return true
  }

  /** The packet from `at` to `end` lies right behind the last one that was added since `close`. */
  add(chunk: Buffer, at: number, end: number, ticket: number): void {
    const run = this.#run
    if (!run.isEmpty && ((run.tickets[0] === 0) !== (ticket === 0) || at - run.from > runCutBytes)) this.close()
    if (run.isEmpty) {
      run.chunk = chunk
      run.from = at
    }
    run.end = end
    run.tickets.push(ticket)
  }

  /** Admits what was gathered. To be called before anything else is done with the connection. */
  close(): void {
    if (this.#run.isEmpty) return
    this.#admit(this.#run)
    this.#run.clear()
  }

  forget(): void {
    this.#run.clear()
  }
}
