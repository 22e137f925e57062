// The clean=false sessions of each identity, a fixed number of them: a session costs a queue, and client ids cost
// nothing. One more, and the one that was used longest ago ends.

import { identitySessionsMax } from './limits.ts'

export class Sessions {
  /** Client ids by identity, the one that connected longest ago first. */
  readonly #clientIds = new Map<string, Set<string>>()

  /** A client connects. Returns the session that ends for it; those that are connected stay. */
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
