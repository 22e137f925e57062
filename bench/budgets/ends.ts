// Closes what a measurement has opened, in reverse order, also after an error. The class offers `after()` like
// node:test's context, so the rigs of tests accept it.

export class Ends {
  readonly #ends: (() => unknown)[] = []

  after(end: () => unknown): void {
    this.#ends.push(end)
  }

  async close(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end()
  }
}

export async function withEnds<T>(work: (ends: Ends) => Promise<T>): Promise<T> {
  const ends = new Ends()
  try {
    return await work(ends)
  } finally {
    await ends.close()
  }
}
