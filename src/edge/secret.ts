// A value that must not be shown. It has a file of its own because a running edge does not load the schema of the
// configuration.

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
