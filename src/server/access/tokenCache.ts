// The tokens and sessions in force, in memory. They are read every few seconds, so a good request never waits for the
// database, and metrics can be read while the database is away. A token that is revoked meanwhile is refused as soon as
// the database is back.

import { timingSafeEqual } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { accessRefreshMs, sessionMsMax } from './limits.ts'
import { closeSession, type Grant, hashOf, loadGrants, noteUse, openSession } from './tokens.ts'

const useIntervalMs = 3_600_000
const lookIntervalMs = 200

export class TokenCache {
  readonly #db: Pool
  readonly #failed: (error: Error) => void
  #byHash = new Map<string, Grant>()
  #isGuarded = false
  #isFailing = false
  /** Names of tokens that were used, and when the use was last written. */
  readonly #used = new Map<string, number>()
  #generation = 0
  #loadedMs = 0
  #looking: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  /** Rejects when the database does not answer: no request is let in before. `failed` is called once per outage. */
  static async open(db: Pool, failed: (error: Error) => void): Promise<TokenCache> {
    const tokenCache = new TokenCache(db, failed)
    await tokenCache.#load()
    tokenCache.#refreshLater()
    return tokenCache
  }

  private constructor(db: Pool, failed: (error: Error) => void) {
    this.#db = db
    this.#failed = failed
  }

  /** Whether there ever was a token. If so, every request needs one. */
  get isGuarded(): boolean {
    return this.#isGuarded
  }

  /**
   * An unknown secret may have been made a moment ago, on the command line or by another server: the database is asked
   * again.
   */
  async find(kind: Grant['kind'], secret: string): Promise<Grant | undefined> {
    const known = this.#findKnown(kind, secret)
    if (known !== undefined) return known
    await this.#lookAgain()
    return this.#findKnown(kind, secret)
  }

  #findKnown(kind: Grant['kind'], secret: string): Grant | undefined {
    const hash = hashOf(secret)
    const grant = this.#byHash.get(hash.toString('hex'))
    if (grant?.kind !== kind || !timingSafeEqual(hash, grant.hash) || grant.expiresMs <= Date.now()) return undefined
    if (!this.#used.has(grant.name)) this.#used.set(grant.name, 0)
    return grant
  }

  /** Returns the session's id and its end. Rejects when the database does not answer. */
  async openSession({ name, role, expiresMs }: Grant): Promise<{ id: string; expiresMs: number }> {
    const endsMs = Math.min(Date.now() + sessionMsMax, expiresMs)
    const id = await openSession(this.#db, name, endsMs)
    const hash = hashOf(id)
    this.#change(() => {
      this.#byHash.set(hash.toString('hex'), { hash, kind: 'session', name, role, expiresMs: endsMs })
    })
    return { id, expiresMs: endsMs }
  }

  /** In force at once here, within seconds on other servers. Rejects when the database does not answer. */
  async closeSession(id: string): Promise<void> {
    const hash = hashOf(id)
    await closeSession(this.#db, hash)
    this.#change(() => this.#byHash.delete(hash.toString('hex')))
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /**
   * All callers that wait share one query, and queries keep a distance. A client that keeps sending wrong secrets
   * waits, and costs almost nothing.
   */
  #lookAgain(): Promise<void> {
    this.#looking ??= sleep(Math.max(0, this.#loadedMs + lookIntervalMs - Date.now()))
      .then(() => this.#load())
      .catch(() => {}) // known tokens stay in force; the next refresh reports the fault
      .finally(() => {
        this.#looking = undefined
      })
    return this.#looking
  }

  /** A query that is under way read what was true before this change: its result is dropped. */
  #change(apply: () => void): void {
    this.#generation++
    apply()
  }

  #refreshLater(): void {
    this.#timer = setTimeout(() => void this.#refresh(), accessRefreshMs).unref()
  }

  async #refresh(): Promise<void> {
    try {
      await this.#load()
      await this.#noteUse()
      this.#isFailing = false
    } catch (error) {
      if (!this.#isFailing) this.#failed(error as Error)
      this.#isFailing = true
    }
    if (this.#timer !== undefined) this.#refreshLater()
  }

  async #load(): Promise<void> {
    const generation = this.#generation
    this.#loadedMs = Date.now()
    const { grants, isGuarded } = await loadGrants(this.#db)
    if (generation !== this.#generation) return
    this.#byHash = new Map(grants.map(grant => [grant.hash.toString('hex'), grant]))
    this.#isGuarded = isGuarded
  }

  async #noteUse(): Promise<void> {
    const nowMs = Date.now()
    const due = [...this.#used].filter(([, writtenMs]) => writtenMs === 0).map(([name]) => name)
    for (const [name, writtenMs] of this.#used)
      if (writtenMs > 0 && nowMs - writtenMs > useIntervalMs) this.#used.delete(name)
    if (due.length === 0) return
    await noteUse(this.#db, due)
    for (const name of due) this.#used.set(name, nowMs)
  }
}
