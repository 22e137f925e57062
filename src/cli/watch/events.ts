// Server-sent events as they arrive: text in any pieces in, whole events out (WHATWG HTML, 9.2.6). Pure.

export interface ServerEvent {
  readonly event: string
  readonly data: string
}

export class EventReader {
  /** Behind which to go on after a new connection; an event without data may move it. */
  lastId = ''
  #rest = ''
  #event = ''
  #data: string[] = []

  /** The connection has ended: half an event is none. */
  cut(): void {
    this.#rest = ''
    this.#event = ''
    this.#data = []
  }

  *read(text: string): Generator<ServerEvent> {
    const lines = (this.#rest + text).split(/\r?\n/)
    this.#rest = lines.pop()!
    for (const line of lines) {
      if (line !== '') this.#field(line)
      else {
        if (this.#data.length > 0) yield { event: this.#event, data: this.#data.join('\n') }
        this.#event = ''
        this.#data = []
      }
    }
  }

  #field(line: string): void {
    const [, name, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line)!
    if (name === 'event') this.#event = value
    else if (name === 'data') this.#data.push(value)
    else if (name === 'id') this.lastId = value
  }
}
