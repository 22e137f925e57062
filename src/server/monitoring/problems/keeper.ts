// Writes the problems to the database and calls the webhook, on one server of several at a time. Each round works from
// what holds then, so there is no queue that could grow, and a message that was not accepted is made anew. So each
// problem is reported at least once. It only reads what others have found, and blocks no part.

import type { Pool } from 'pg'
import { type Due, ProblemLedger } from './ledger.ts'
import { webhookPauseMsMax, webhookPauseMsMin } from './limits.ts'
import { messageOf } from './message.ts'
import type { Problems } from './problems.ts'
import { deleteProblems, giveLease, loadProblems, takeLease, upsertProblems } from './rows.ts'
import { post, type WebhookTarget } from './webhook.ts'

export interface KeeperOptions {
  readonly db: Pool
  readonly node: string
  readonly problems: Pick<Problems, 'list' | 'looked' | 'chargers'>
  /** Absent: no webhook is called. */
  readonly webhook: WebhookTarget | undefined
  readonly now?: () => number
  readonly report: KeeperReport
}

export interface KeeperReport {
  /** The database did not accept the problems. Called once, until it does. */
  notKept(error: Error): void
  told(opened: number, closed: number): void
  /** The webhook did not accept the message. Called once, until it does. */
  notTold(error: Error): void
}

const roundMs = 10_000
/** Another server takes over after this long. */
const leaseMs = 60_000

export class ProblemKeeper {
  readonly #options: KeeperOptions
  readonly #now: () => number
  /** Defined while this server keeps the problems. */
  #ledger: ProblemLedger | undefined
  #leasedMs = 0
  #isFailing = false
  #failedPosts = 0
  #postDueMs = 0
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> = Promise.resolve()
  /** Messages that the receiver accepted, and attempts that failed. */
  readonly posts = new Map([
    ['delivered', 0],
    ['failed', 0]
  ])

  constructor(options: KeeperOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  /** Makes rounds until the returned function is called, which hands over to another server. */
  watch(): () => Promise<void> {
    const goLater = (): void => {
      this.#timer = setTimeout(() => {
        this.#round = this.round().finally(() => this.#timer && goLater())
      }, roundMs).unref()
    }
    goLater()
    return async () => {
      clearTimeout(this.#timer)
      this.#timer = undefined
      await this.#round
      if (this.#ledger !== undefined) await giveLease(this.#options.db, this.#options.node).catch(() => {})
    }
  }

  async round(): Promise<void> {
    const { db, node, problems, webhook, report } = this.#options
    if (problems.looked === 0) return
    try {
      if (!(await takeLease(db, node, leaseMs))) {
        this.#ledger = undefined
        return
      }
      // After too long a pause, another server may have written.
      if (this.#now() - this.#leasedMs > leaseMs) this.#ledger = undefined
      this.#leasedMs = this.#now()
      this.#ledger ??= new ProblemLedger(await loadProblems(db))
      this.#ledger.reconcile(problems.list(), this.#now(), webhook !== undefined)
      await this.#write(this.#ledger)
      if (webhook !== undefined && this.#now() >= this.#postDueMs) await this.#tell(this.#ledger, webhook)
      this.#isFailing = false
    } catch (error) {
      if (!this.#isFailing) report.notKept(error as Error)
      this.#isFailing = true
    }
  }

  async #write(ledger: ProblemLedger): Promise<void> {
    const { changed, gone } = ledger.unwritten
    if (changed.length > 0) await upsertProblems(this.#options.db, changed)
    if (gone.length > 0) await deleteProblems(this.#options.db, gone)
    ledger.written()
  }

  async #tell(ledger: ProblemLedger, webhook: WebhookTarget): Promise<void> {
    const due = ledger.due(this.#now())
    if (due === undefined || !(await this.#post(due, webhook))) return
    ledger.told(due, this.#now())
    await this.#write(ledger)
  }

  async #post(due: Due, webhook: WebhookTarget): Promise<boolean> {
    const { node, problems, report } = this.#options
    try {
      await post(webhook, messageOf(due, { node, chargers: problems.chargers }))
    } catch (error) {
      this.posts.set('failed', this.posts.get('failed')! + 1)
      if (this.#failedPosts === 0) report.notTold(error as Error)
      this.#postDueMs = this.#now() + pauseMs(this.#failedPosts++)
      return false
    }
    this.posts.set('delivered', this.posts.get('delivered')! + 1)
    this.#failedPosts = 0
    report.told(due.opened.length, due.closed.length)
    return true
  }
}

const pauseMs = (failed: number): number => Math.min(webhookPauseMsMax, webhookPauseMsMin * 2 ** failed)
