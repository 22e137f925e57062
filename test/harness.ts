// The shared base of the tests that cross modules: a real PostgreSQL, real certificates, a real server, and a raw MQTT
// client that shows every packet. Each test file has one temporary folder for all files, and the folder is removed at
// the end.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { pino } from 'pino'
import { initAuthority } from '../src/pki/authority/authority.ts'
import { issueDevice } from '../src/pki/authority/devices.ts'
import { revokeDevices } from '../src/pki/authority/revoke.ts'
import { parseServerConfig, type ServerConfig } from '../src/server/config.ts'
import { type RunningServer, startServer } from '../src/server/server.ts'
import { type EmbeddedDatabase, startEmbeddedDatabase } from '../src/server/store/embeddedDatabase.ts'
import { WireClient, type WireOptions } from './wire.ts'

export class Harness {
  readonly dir = mkdtempSync(join(tmpdir(), 'chargelift-test-'))
  #embedded: EmbeddedDatabase | undefined
  #adminUrl = ''
  readonly #databases: string[] = []
  readonly #ends: (() => Promise<unknown>)[] = []
  /** The log lines of all servers at level `warn` or above. */
  readonly warnings: { readonly event?: string }[] = []
  readonly #log = pino({ level: 'warn' }, { write: line => this.warnings.push(JSON.parse(line)) })

  /** Creates a harness and registers its start and its stop with node:test. */
  static use(): Harness {
    const harness = new Harness()
    before(() => harness.start())
    after(() => harness.stop())
    return harness
  }

  /** Makes the CA and the server's certificate. */
  async authority(): Promise<void> {
    await initAuthority({ dir: this.certs })
  }

  async start(): Promise<void> {
    await this.authority()
    const given = process.env.TEST_DATABASE_URL
    if (given === undefined) this.#embedded = await startEmbeddedDatabase(join(this.dir, 'data'))
    this.#adminUrl = given ?? this.#embedded!.url
  }

  async stop(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end()
    for (const name of this.#databases) await this.#admin(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    await this.#embedded?.stop()
    rmSync(this.dir, { recursive: true, force: true })
  }

  get certs(): string {
    return join(this.dir, 'certs')
  }

  /** Creates a fresh database and returns its URL. */
  async database(): Promise<string> {
    const name = `chargelift_test_${process.pid}_${this.#databases.length}`
    this.#databases.push(name)
    await this.#admin(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    await this.#admin(`CREATE DATABASE ${name}`)
    const url = new URL(this.#adminUrl)
    url.pathname = `/${name}`
    return url.href
  }

  config(databaseUrl: string, overrides: Partial<ServerConfig> = {}): ServerConfig {
    const at = (name: string): string => join(this.certs, name)
    const flags = ['--mqtt-host', '127.0.0.1', '--mqtt-port', '0', '--http-port', '0', '--database-url', databaseUrl]
    const tls = { ca: at('ca.pem'), cert: at('server.pem'), key: at('server.key'), crl: at('crl.pem') }
    return { ...parseServerConfig(flags, {}), tls, dataDir: join(this.dir, 'data'), ...overrides }
  }

  async server(databaseUrl: string, overrides: Partial<ServerConfig> = {}): Promise<RunningServer> {
    const server = await startServer(this.config(databaseUrl, overrides), this.#log)
    this.#ends.push(() => server.stop())
    return server
  }

  /** Opens a connection for the test, to look at the tables. */
  async session(databaseUrl: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: databaseUrl })
    client.on('error', () => {})
    await client.connect()
    this.#ends.push(() => client.end().catch(() => {}))
    return client
  }

  async device(name: string, role?: 'edge' | 'consumer' | 'operator', chargers?: readonly string[]): Promise<void> {
    await issueDevice({ dir: this.certs, name, ...(role && { role }), ...(chargers && { chargers }) })
  }

  /** Revokes a certificate as `certs revoke` does. */
  async revoke(name: string): Promise<void> {
    await revokeDevices({ dir: this.certs, names: [name] })
  }

  /** Returns a connected client. It uses the certificate of `name`, unless the options say otherwise. */
  async client(
    server: Pick<RunningServer, 'mqttPorts'>,
    name: string,
    options: Partial<WireOptions> = {}
  ): Promise<WireClient> {
    const client = new WireClient({ certs: this.certs, name, port: server.mqttPorts[0]!, clientId: name, ...options })
    this.#ends.push(async () => client.destroy())
    await client.connect()
    return client
  }

  onEnd(end: () => Promise<unknown>): void {
    this.#ends.push(end)
  }

  async #admin(sql: string): Promise<void> {
    const client = new pg.Client({ connectionString: this.#adminUrl })
    client.on('error', () => {})
    await client.connect()
    await client.query(sql)
    await client.end()
  }
}

/** The longest wait in ms. Nothing takes this long by itself, but a busy machine may. */
export const waitMaxMs = 60_000

/** Waits for a condition. If the time runs out, throws with the value that it saw last. */
export async function until<T>(
  look: () => Promise<T> | T,
  isDone: (seen: T) => boolean,
  timeoutMs = waitMaxMs
): Promise<T> {
  for (const deadline = Date.now() + timeoutMs; ; await sleep(10)) {
    const seen = await look()
    if (isDone(seen)) return seen
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms, saw last: ${JSON.stringify(seen)}`)
  }
}

let lastMs = 0
/** Returns a SamplingTime that no other call returns. */
export function freshTime(): string {
  lastMs = Math.max(lastMs + 1, Date.now())
  return new Date(lastMs).toISOString()
}

export const envelope = (value: unknown, time = freshTime()): string =>
  JSON.stringify({ SamplingTime: time, Value: value })
