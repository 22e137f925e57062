// A proxy in front of PostgreSQL that records every statement under the name of the application that sent it. Tests
// bound the cost of work in the database by counts, which are the same on every machine. The proxy reads only the parts
// of the client's protocol that it needs (PostgreSQL documentation, "Message Formats"). It does not support TLS.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export class CountingProxy {
  readonly url: string
  /** The texts of the statements in their order, by application_name. */
  readonly #statements = new Map<string, string[]>()
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, url: string) {
    this.#server = server
    this.url = url
  }

  static async open(databaseUrl: string): Promise<CountingProxy> {
    const target = new URL(databaseUrl)
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const own = new URL(databaseUrl)
    own.hostname = '127.0.0.1'
    own.port = String((server.address() as AddressInfo).port)
    const proxy = new CountingProxy(server, own.href)
    server.on('connection', socket => proxy.#forward(socket, target))
    return proxy
  }

  /** Returns and removes the statements of an application since the last call. */
  taken(application: string): string[] {
    return this.#statements.get(application)?.splice(0) ?? []
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #forward(client: Socket, { hostname, port }: URL): void {
    const database = connect(Number(port || 5432), hostname)
    for (const socket of [client, database]) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        client.destroy()
        database.destroy()
      })
    }
    const reader = new FrontendReader((application, sql) => this.#note(application, sql))
    client.on('data', chunk => reader.read(chunk))
    client.pipe(database).pipe(client)
  }

  #note(application: string, sql: string): void {
    const known = this.#statements.get(application)
    if (known === undefined) this.#statements.set(application, [sql])
    else known.push(sql)
  }
}

const typeBytes = 1
const lengthBytes = 4

/** Reads the messages of one connection from its first byte. */
class FrontendReader {
  readonly #note: (application: string, sql: string) => void
  #rest = Buffer.alloc(0)
  #application: string | undefined

  constructor(note: (application: string, sql: string) => void) {
    this.#note = note
  }

  read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    for (;;) {
      // The first message has no type byte.
      const head = this.#application === undefined ? 0 : typeBytes
      if (this.#rest.length < head + lengthBytes) return
      const end = head + this.#rest.readInt32BE(head)
      if (this.#rest.length < end) return
      this.#message(
        head === 0 ? '' : String.fromCharCode(this.#rest[0]!),
        this.#rest.toString('utf8', head + lengthBytes, end)
      )
      this.#rest = this.#rest.subarray(end)
    }
  }

  #message(type: string, body: string): void {
    const words = body.split('\0')
    if (type === '') this.#application = words[words.indexOf('application_name') + 1] ?? ''
    else if (type === 'Q') this.#note(this.#application!, words[0]!)
    // A Parse message holds the name of the statement, then its text.
    else if (type === 'P') this.#note(this.#application!, words[1]!)
  }
}
