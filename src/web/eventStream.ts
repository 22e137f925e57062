// Server-sent events over fetch, as the HTML standard has them: unlike EventSource it goes on behind the last id also when
// the server refused it for a while, and it sees why.

export interface ServerEvent {
  readonly event: string
  readonly data: string
  readonly id: string
}

/** Takes text as it arrives, in any pieces, and hands out whole events. */
export class EventParser {
  #rest = ''
  #event = ''
  #data: string[] = []
  #id = ''

  constructor(lastId = '') {
    this.#id = lastId
  }

  /** Behind which to go on. An event without data may move it too. */
  get lastId(): string {
    return this.#id
  }

  *push(text: string): Generator<ServerEvent> {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/)
    this.#rest = lines.pop()!
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length > 0) {
          yield { event: this.#event === '' ? 'message' : this.#event, data: this.#data.join('\n'), id: this.#id }
        }
        this.#event = ''
        this.#data = []
      } else this.#take(line)
    }
  }

  #take(line: string): void {
    const colon = line.indexOf(':')
    if (colon === 0) return // a comment: the server is there
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'event') this.#event = value
    else if (field === 'data') this.#data.push(value)
    else if (field === 'id' && !value.includes('\0')) this.#id = value
  }
}
