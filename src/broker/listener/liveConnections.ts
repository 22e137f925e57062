// The table of live connections: by certificate, which is what may be revoked, and how many each identity has.
// A connection leaves by itself when it closes.

import type { TLSSocket } from 'node:tls'
import type { Identity } from '../../model/server/admission.ts'

interface Certified {
  readonly identity: Identity
  readonly sockets: Set<TLSSocket>
}

export class LiveConnections {
  readonly #byCertificate = new Map<string, Certified>()
  readonly #counts = new Map<string, number>()

  add(identity: Identity, socket: TLSSocket): void {
    const key = `${identity.issuer}\n${identity.serial}`
    const certified = this.#byCertificate.get(key) ?? { identity, sockets: new Set() }
    this.#byCertificate.set(key, certified)
    certified.sockets.add(socket)
    this.#counts.set(identity.name, this.countOf(identity.name) + 1)
    socket.once('close', () => {
      certified.sockets.delete(socket)
      if (certified.sockets.size === 0) this.#byCertificate.delete(key)
      const left = this.countOf(identity.name) - 1
      if (left === 0) this.#counts.delete(identity.name)
      else this.#counts.set(identity.name, left)
    })
  }

  countOf(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  /** Live: one that closes meanwhile is not met any more. */
  byCertificate(): Iterable<Certified> {
    return this.#byCertificate.values()
  }
}
