// Serves TimescaleDB over PostgreSQL's wire protocol, for tests only. `pg` and `pg-copy-streams` run unchanged against
// it. CREATE DATABASE and DROP DATABASE create and drop databases. database.ts and instance.ts state the limits of one
// backend. `node test/timescale/wireServer.ts` prints an address for TEST_DATABASE_URL and serves until its input ends.

import type { AddressInfo } from 'node:net'
import { createServer, type Server, type Socket } from 'node:net'
import { type Client, Database } from './database.ts'
import { type Instance, makeTemplate } from './instance.ts'
import {
  commandComplete,
  copyInResponse,
  cut,
  errorResponse,
  type Message,
  message,
  readyForQuery,
  textOf
} from './messages.ts'

const startCodes = { cancel: 80_877_102, ssl: 80_877_103, gssapi: 80_877_104 }
const copyIn = /^\s*COPY\s[^;]*\sFROM\s+STDIN/i

export class WireServer {
  readonly #server: Server
  readonly #databases = new Map<string, Database>()
  readonly #connections = new Map<number, Connection>()
  readonly #makeInstance: () => Promise<Instance>
  #ids = 0

  private constructor(makeInstance: () => Promise<Instance>) {
    this.#makeInstance = makeInstance
    this.#server = createServer(socket => this.#accept(socket))
  }

  static async start(): Promise<WireServer> {
    const server = new WireServer(await makeTemplate())
    server.makeDatabase('postgres')
    await new Promise<void>(resolve => server.#server.listen(0, '127.0.0.1', resolve))
    return server
  }

  get url(): string {
    return `postgres://postgres@127.0.0.1:${(this.#server.address() as AddressInfo).port}/postgres`
  }

  async stop(): Promise<void> {
    this.#server.close()
    for (const name of [...this.#databases.keys()]) await this.dropDatabase(name)
  }

  database(name: string): Database | undefined {
    return this.#databases.get(name)
  }

  makeDatabase(name: string): void {
    this.#databases.set(name, new Database(this.#makeInstance))
  }

  async dropDatabase(name: string): Promise<void> {
    const database = this.#databases.get(name)
    this.#databases.delete(name)
    for (const connection of this.#connections.values()) if (connection.database === database) connection.end()
    await database?.close()
  }

  connectionOf(id: number): Connection | undefined {
    return this.#connections.get(id)
  }

  #accept(socket: Socket): void {
    const id = ++this.#ids
    this.#connections.set(id, new Connection(this, socket, id))
    socket.on('close', () => this.#connections.delete(id))
  }
}

class Connection implements Client {
  readonly setUp = new Set<string>()
  readonly #server: WireServer
  readonly #socket: Socket
  readonly #id: number
  #rest: Buffer = Buffer.alloc(0)
  /** Undefined before the start packet. */
  database: Database | undefined
  /** The messages of an exchange that is not complete yet. */
  #parts: Message[] = []
  #isCopying = false

  constructor(server: WireServer, socket: Socket, id: number) {
    this.#server = server
    this.#socket = socket
    this.#id = id
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('data', (bytes: Buffer) => this.#read(bytes))
    socket.on('close', () => this.database?.leave(this))
  }

  end(): void {
    this.#socket.end(errorResponse('FATAL', '57P01', 'terminating connection due to administrator command'))
  }

  #read(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes])
    while (this.database === undefined) {
      const length = this.#rest.length < 8 ? Infinity : this.#rest.readUInt32BE(0)
      if (length > this.#rest.length) return
      const packet = this.#rest.subarray(4, length)
      this.#rest = this.#rest.subarray(length)
      if (!this.#start(packet)) return
    }
    const { messages, rest } = cut(this.#rest)
    this.#rest = rest
    for (const one of messages) this.#take(one)
  }

  /** Reads a start packet. Returns false if no start packet will follow. */
  #start(packet: Buffer): boolean {
    const code = packet.readUInt32BE(0)
    if (code === startCodes.ssl || code === startCodes.gssapi) return this.#socket.write('N')
    if (code === startCodes.cancel) {
      const connection = this.#server.connectionOf(packet.readUInt32BE(4))
      connection?.database?.cancel(connection)
      this.#socket.end()
      return false
    }
    const words = packet.toString('utf8', 4).split('\0')
    const asked = new Map(words.flatMap((word, i) => (i % 2 === 0 && word ? [[word, words[i + 1]!] as const] : [])))
    const name = asked.get('database') ?? asked.get('user')!
    this.database = this.#server.database(name)
    if (this.database === undefined) {
      this.#socket.end(errorResponse('FATAL', '3D000', `database "${name}" does not exist`))
      return false
    }
    for (const [key, value] of asked)
      if (!['user', 'database', 'options'].includes(key))
        this.setUp.add(`SET ${key} = '${value.replaceAll("'", "''")}'`)
    const known = { server_version: '17.5', server_encoding: 'UTF8', client_encoding: 'UTF8', DateStyle: 'ISO, MDY' }
    const statuses = Object.entries(known).map(([key, value]) => message('S', key, value))
    this.#socket.write(Buffer.concat([message('R', 0), ...statuses, message('K', this.#id, 0), readyForQuery]))
    return true
  }

  /** Takes one message. A query, the end of its COPY or Sync completes an exchange. */
  #take(one: Message): void {
    if (one.type === 'X') return void this.#socket.end()
    // A Flush, or a Sync after the data of a COPY, is ignored.
    if (one.type === 'H' || (this.#isCopying && one.type === 'S')) return
    this.#parts.push(one)
    if (one.type === 'Q' && copyIn.test(textOf(one.body))) {
      // The instance needs the statement and its data at once. It also answers with this message, so the copy is
      // removed from its answer.
      this.#isCopying = true
      this.#socket.write(copyInResponse(/\bBINARY\b/i.test(textOf(one.body))))
    } else if (this.#isCopying ? 'cf'.includes(one.type) : 'QS'.includes(one.type)) this.#exchange()
  }

  #exchange(): void {
    const parts = this.#parts
    const wasCopying = this.#isCopying
    this.#parts = []
    this.#isCopying = false
    const text = parts.map(statementOf).join('\n')
    const admin = /^\s*(CREATE|DROP)\s+DATABASE\s+(?:IF\s+EXISTS\s+)?(\w+)/i.exec(text)
    if (admin) return void this.#administer(admin[1]!.toUpperCase(), admin[2]!)
    this.database!.ask(this, {
      bytes: Buffer.concat(parts.map(({ bytes }) => bytes)),
      text,
      answer: bytes => this.#socket.write(wasCopying ? withoutCopyInResponse(bytes) : bytes)
    })
  }

  async #administer(verb: string, name: string): Promise<void> {
    if (verb === 'CREATE') this.#server.makeDatabase(name)
    else await this.#server.dropDatabase(name)
    this.#socket.write(Buffer.concat([commandComplete(`${verb} DATABASE`), readyForQuery]))
  }
}

/** The SQL text of a Query or a Parse message. A Parse message has a name before the text. */
function statementOf({ type, body }: Message): string {
  if (type === 'Q') return textOf(body)
  return type === 'P' ? textOf(body.subarray(body.indexOf(0) + 1)) : ''
}

const withoutCopyInResponse = (answer: Buffer): Buffer =>
  Buffer.concat(
    cut(answer)
      .messages.filter(({ type }) => type !== 'G')
      .map(({ bytes }) => bytes)
  )

if (import.meta.main) {
  const server = await WireServer.start()
  process.stdout.write(`${server.url}\n`)
  process.stdin.on('end', () => process.exit()).resume()
}
