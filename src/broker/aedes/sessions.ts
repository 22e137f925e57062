// Bounds the clean=false sessions of each identity: a session costs a queue, and client ids cost nothing. One session
// more ends the one that was used longest ago.

import { identitySessionsMax } from './limits.ts'

export class Sessions {
  /** Client ids by identity, ordered by their last connection, the oldest first. */
  readonly #clientIds = new Map<string, Set<string>>()

  /** A client connects. Returns the client id of the session that ends for it; sessions of connected clients stay. */
  connect(
    identity: string,
    clientId: string,
    clean: boolean,
    isHere: (clientId: string) => boolean
  ): string | undefined {
    const clientIds = this.#clientIds.get(identity) ?? new Set<string>()
    clientIds.delete(clientId)
    if (!clean) clientIds.add(clientId)
    if (clientIds.size === 0) this.#clientIds.delete(identity)
    else this.#clientIds.set(identity, clientIds)
    if (clientIds.size <= identitySessionsMax) return undefined
    for (const oldest of clientIds) {
      if (oldest === clientId || isHere(oldest)) continue
      clientIds.delete(oldest)
      return oldest
    }
    return undefined
  }
}
