// How many polls a whole process may send: without a bound towards a server that acknowledges what it has stored;
// bounded from outside where acknowledgements come before the store, so that what waits in between stays small.

export class Flow {
  #sent = 0
  #allowed = Number.POSITIVE_INFINITY
  readonly #waiting = new Set<() => void>()

  /** False when no more may be sent now; then `goOn` is called when more may. */
  take(goOn: () => void): boolean {
    if (this.#sent < this.#allowed) {
      this.#sent++
      return true
    }
    this.#waiting.add(goOn)
    return false
  }

  /** So many polls in all. */
  allow(polls: number): void {
    this.#allowed = polls
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const goOn of waiting) goOn()
  }
}
