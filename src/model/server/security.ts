// Security events: a client came in, was refused, or lost its right. The composition root gives all parts a
// `ReportSecurity`. It counts every event, and logs and stores as many as there is room for, so an event may be
// reported as often as it happens. Reporting never throws, never waits and never decides anything.

import type { DeniedError, DenyCode } from '../errors.ts'
import type { Role } from './admission.ts'

/**
 * How a TLS handshake ended. `full` and `resumed`: the client came in. `refused`: the certificate was good for TLS,
 * and not for us (identity, revocation). `failed`: TLS itself (no certificate, another CA, no TLS at all). `timeout`:
 * half-open for too long. `overload`: closed unread, because too many came at once.
 */
export const handshakeOutcomes = ['full', 'resumed', 'refused', 'failed', 'timeout', 'overload'] as const
export type HandshakeOutcome = (typeof handshakeOutcomes)[number]

/** The client of an event; '' for an unknown member. */
export interface Peer {
  /** The CN of the certificate, or the name of the token. */
  readonly identity: string
  /** Of the certificate, in upper-case hex. */
  readonly serial: string
  /** `address:port`. */
  readonly address: string
}

/** `event` is the stable name in the log and in `audit_events`; the other members are the fields of the log line. */
export type SecurityEvent =
  | { readonly event: 'handshake'; readonly outcome: HandshakeOutcome }
  | ({ readonly event: 'connected'; readonly role: Role; readonly clientId: string } & Peer)
  | ({ readonly event: 'disconnected'; readonly clientId: string } & Peer)
  /**
   * Refused: a connection, or only what it asked for. The reason says what was expected and what was found, no secret.
   */
  | ({ readonly event: 'denied'; readonly rule: DenyCode; readonly reason: string } & Peer)
  /** A live connection was closed because its right ended: its certificate was revoked, or its CA removed. */
  | ({ readonly event: 'revoked'; readonly reason: string } & Peer)
  /** CA, certificate, key or revocation list were read anew and are in use; or could not be, and the old ones stay. */
  | { readonly event: 'reloaded' | 'reload_failed'; readonly files: readonly string[]; readonly reason: string }

export type ReportSecurity = (event: SecurityEvent) => void

/** The event of a DeniedError. */
export const denial = ({ code, message }: DeniedError, peer: Peer): SecurityEvent => ({
  event: 'denied',
  rule: code,
  reason: message,
  identity: peer.identity,
  serial: peer.serial,
  address: peer.address
})
