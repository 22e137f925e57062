// What a measurement has opened, closed in reverse order whatever happens. It looks like node:test's context to the
// rigs of tests.

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
