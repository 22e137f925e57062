// Limits how many polls a whole process may send. A server that acknowledges after storing needs no limit. For a server
// that acknowledges before storing, the parent sets the limit, so that few messages wait between the two.

export class Flow {
  #sent = 0
  #allowed = Number.POSITIVE_INFINITY
  readonly #waiting = new Set<() => void>()

  /**
   * Returns true if one more poll may be sent now. Otherwise returns false, and calls `goOn` when more polls are
   * allowed.
   */
  take(goOn: () => void): boolean {
    if (this.#sent < this.#allowed) {
      this.#sent++
      return true
    }
    this.#waiting.add(goOn)
    return false
  }

  /** Allows `polls` polls in all, counted from the start. */
  allow(polls: number): void {
    this.#allowed = polls
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const goOn of waiting) goOn()
  }
}
