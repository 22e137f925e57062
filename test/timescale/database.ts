// Makes the one session of a database look like many sessions. Exchanges run one after the other. A connection that has
// begun a transaction has the instance to itself until the transaction ends. A connection may change its session
// outside of a transaction (SET, temporary tables). These statements run again whenever the instance turns to the
// connection. So rows in a temporary table last no longer than a transaction, and a named prepared statement lasts no
// longer either. One connection at a time holds advisory locks of a session, whatever their numbers. Another connection
// that mentions advisory locks waits, but a real server may answer at once that it did not get the lock.

import type { Instance } from './instance.ts'
import { cut, errorResponse, queryMessage, readyForQuery } from './messages.ts'

export interface Exchange {
  readonly bytes: Buffer
  /** The SQL statements of the exchange. */
  readonly text: string
  answer(bytes: Buffer): void
}

interface Waiting extends Exchange {
  readonly client: Client
}

/** A connection as its database sees it. */
export interface Client {
  /** The statements that set up the session of this connection, in order. */
  readonly setUp: Set<string>
}

/** Resets the session. The instance's defaults are the defaults of initdb. */
const forget = `RESET ALL; DISCARD TEMP; DEALLOCATE ALL;
  SET search_path = "$user", public; SET client_min_messages = notice`
const held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
const setsUp = /^\s*(SET|RESET|CREATE\s+TEMP)\b/i
const mentionsLocks = /advisory/i

export class Database {
  readonly #make: () => Promise<Instance>
  /** Created for the first exchange. */
  #instance: Promise<Instance> | undefined
  readonly #waiting: Waiting[] = []
  #running: Promise<void> | undefined
  /** The connection whose session the instance holds now. */
  #current: Client | undefined
  /** The connection that is in a transaction. */
  #owner: Client | undefined
  /** The connection that holds advisory locks. */
  #holder: Client | undefined
  #isClosed = false

  constructor(make: () => Promise<Instance>) {
    this.#make = make
  }

  ask(client: Client, exchange: Exchange): void {
    if (this.#isClosed) return
    this.#waiting.push({ client, ...exchange })
    this.#go()
  }

  /**
   * Cancels the waiting exchanges of a connection, with the error of a real server. An exchange that runs cannot be
   * cancelled, because it has the only thread.
   */
  cancel(client: Client): void {
    for (const { answer } of this.#takeAll(client)) {
      const error = errorResponse('ERROR', '57014', 'canceling statement due to user request')
      answer(Buffer.concat([error, readyForQuery]))
    }
  }

  /** Removes a closed connection: rolls back its transaction and releases its advisory locks. */
  leave(client: Client): void {
    this.#takeAll(client)
    const text = `${this.#owner === client ? 'ROLLBACK; ' : ''}SELECT pg_advisory_unlock_all()`
    if (this.#owner === client || this.#holder === client)
      this.ask(client, { bytes: queryMessage(text), text, answer: () => {} })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#waiting.length = 0
    await this.#running
    await (await this.#instance)?.close()
  }

  #takeAll(client: Client): Waiting[] {
    const taken = this.#waiting.filter(one => one.client === client)
    for (const one of taken) this.#waiting.splice(this.#waiting.indexOf(one), 1)
    return taken
  }

  #go(): void {
    this.#running ??= this.#runAll().finally(() => {
      this.#running = undefined
      if (this.#nextIndex() >= 0) this.#go()
    })
  }

  async #runAll(): Promise<void> {
    this.#instance ??= this.#make()
    const instance = await this.#instance
    for (let i = this.#nextIndex(); i >= 0; i = this.#nextIndex())
      await this.#run(instance, this.#waiting.splice(i, 1)[0]!)
  }

  #nextIndex(): number {
    return this.#waiting.findIndex(
      ({ client, text }) =>
        (this.#owner ?? client) === client && ((this.#holder ?? client) === client || !mentionsLocks.test(text))
    )
  }

  async #run(instance: Instance, { client, bytes, text, answer }: Waiting): Promise<void> {
    if (this.#current !== client) await this.#turnTo(instance, client)
    const answered = await instance.exchange(bytes)
    const { messages } = cut(answered)
    const wasInTransaction = this.#owner === client
    const status = messages.findLast(({ type }) => type === 'Z')?.body.toString()
    this.#owner = status === 'I' ? undefined : client
    const isDone = this.#owner === undefined && !messages.some(({ type }) => type === 'E')
    if (isDone && !wasInTransaction && setsUp.test(text)) {
      client.setUp.delete(text)
      client.setUp.add(text)
    }
    if (this.#owner === undefined && (this.#holder === client || mentionsLocks.test(text))) {
      const row = cut(await instance.exchange(queryMessage(held))).messages.find(({ type }) => type === 'D')
      this.#holder = row?.body.toString('latin1', 6) === '0' ? undefined : client
    }
    answer(answered)
  }

  async #turnTo(instance: Instance, client: Client): Promise<void> {
    for (const sql of [forget, ...client.setUp]) await instance.exchange(queryMessage(sql))
    this.#current = client
  }
}
