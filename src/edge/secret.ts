// A value that must not be shown. Apart from the configuration's schema, which a running edge does not hold in memory.

/** A secret that no log line and no error message can show by accident. */
export class Secret {
  readonly #value: string
  constructor(value: string) {
    this.#value = value
  }
  reveal(): string {
    return this.#value
  }
  toJSON(): string {
    return '(not shown)'
  }
  toString(): string {
    return '(not shown)'
  }
}
