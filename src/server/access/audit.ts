// Takes every security event and counts it. Writes it to the log and, when a client was refused or its right ended, to
// the table audit_events. An attacker can cause any number of events, so repetitions within some minutes share one row
// with a count; the log has the first few, then each tenth, hundredth, thousandth and so on. The caller never waits.

import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { DenyCode } from '../../model/errors.ts'
import {
  type HandshakeOutcome,
  handshakeOutcomes,
  type ReportSecurity,
  type SecurityEvent
} from '../../model/server/security.ts'
import { WriteBehind } from '../store/writeBehind.ts'
import { networkOf } from './access.ts'
import { type AuditQuota, type AuditRow, evictAudit, upsertAudit } from './auditRows.ts'
import { auditKeysMax, auditWaitingMax, auditWindowMs, flappingKeysMax } from './limits.ts'
import { Windows } from './windows.ts'

export interface AuditOptions {
  readonly log: Logger
  readonly node: string
  readonly now: () => number
}

const writeIntervalMs = 1_000
/** The quotas are checked after this many rows, and at least this often. */
const evictRows = 10_000
const evictMs = 3_600_000
const reasonCharactersMax = 500

type Refused = Extract<SecurityEvent, { event: 'denied' | 'revoked' }>

export class Audit {
  readonly handshakes = new Map<HandshakeOutcome, number>(handshakeOutcomes.map(outcome => [outcome, 0]))
  readonly denied = new Map<DenyCode, number>()
  readonly evicted = new Map<AuditQuota, number>()
  readonly #options: AuditOptions
  readonly #rows = new Windows<AuditRow>(auditWindowMs, auditKeysMax)
  /** When there are too many keys to tell apart: one row for each rule. */
  readonly #others = new Windows<AuditRow>(Number.POSITIVE_INFINITY, auditKeysMax)
  readonly #comings = new Windows<{ count: number }>(auditWindowMs, flappingKeysMax)
  readonly #behind: WriteBehind<AuditRow>
  #db: Pool | undefined
  #writtenRows = 0
  #evictDueMs = 0

  constructor(options: AuditOptions) {
    this.#options = options
    this.#behind = new WriteBehind({
      intervalMs: writeIntervalMs,
      write: rows => this.#write(rows.map(([, row]) => row)),
      failed: ({ message }) => {
        if (this.#db)
          options.log.warn({ event: 'audit_failed', reason: message }, 'audit events not written, trying again')
      }
    })
  }

  readonly report: ReportSecurity = event => {
    if (event.event === 'handshake') {
      this.handshakes.set(event.outcome, this.handshakes.get(event.outcome)! + 1)
    } else if (event.event === 'denied' || event.event === 'revoked') {
      this.#refused(event)
    } else if (event.event === 'connected' || event.event === 'disconnected') {
      const coming = this.#comings.at(event.identity, this.#options.now(), () => ({ count: 0 }))
      if (coming !== undefined) this.#tell(event, ++coming.count)
    } else this.#tell(event, 1)
  }

  /** The database has answered: rows that wait are stored, and all later ones. */
  storeIn(db: Pool): void {
    this.#db = db
  }

  /** Rows that are not in the database yet. */
  get waiting(): number {
    return this.#behind.size
  }

  /** Writes the rows that wait, then ends. */
  close(): Promise<void> {
    return this.#behind.close()
  }

  #refused(event: Refused): void {
    if (event.event === 'denied') this.denied.set(event.rule, (this.denied.get(event.rule) ?? 0) + 1)
    const row = this.#rowOf(event)
    row.count++
    row.lastAtMs = this.#options.now()
    row.address = event.address
    row.reason = event.reason.slice(0, reasonCharactersMax)
    this.#behind.note(row.id, row)
    this.#tell(event, row.count)
  }

  /** Known identities are told apart by name, strangers by their address. */
  #rowOf(event: Refused): AuditRow {
    const { identity, serial, address } = event
    const kind = event.event === 'denied' ? event.rule : event.event
    const rule = event.event === 'denied' ? event.rule : null
    const atMs = this.#options.now()
    const make = (of: { identity: string; serial: string }) => (): AuditRow => ({
      id: randomUUID(),
      atMs,
      lastAtMs: atMs,
      count: 0,
      event: event.event,
      rule,
      ...of,
      address,
      reason: '',
      node: this.#options.node
    })
    const key = `${kind} ${identity === '' ? networkOf(address) : `${identity} ${serial}`}`
    const own = this.waiting < auditWaitingMax ? this.#rows.at(key, atMs, make({ identity, serial })) : undefined
    return own ?? this.#others.at(kind, atMs, make({ identity: '', serial: '' }))!
  }

  #tell(event: SecurityEvent, count: number): void {
    if (!isTold(count)) return
    const { log } = this.#options
    const line = count > 1 ? { ...event, count } : event
    if (event.event === 'reload_failed') log.error(line, event.event)
    else if (event.event === 'denied' || event.event === 'revoked') log.warn(line, event.event)
    else log.info(line, event.event)
  }

  async #write(rows: readonly AuditRow[]): Promise<void> {
    if (this.#db === undefined) throw new Error('the database has not answered yet')
    await upsertAudit(this.#db, rows)
    this.#writtenRows += rows.length
    if (this.#writtenRows < evictRows && this.#options.now() < this.#evictDueMs) return
    this.#writtenRows = 0
    this.#evictDueMs = this.#options.now() + evictMs
    await evictAudit(this.#db, (quota, count) => this.evicted.set(quota, (this.evicted.get(quota) ?? 0) + count))
  }
}

/** The first few times, then each power of ten. */
const isTold = (count: number): boolean => count <= toldMax || Number.isInteger(Math.log10(count))
const toldMax = 5
