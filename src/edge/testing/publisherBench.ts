// The bench of the publisher's tests. A publisher with a real Spool and real TLS talks to a broker that misbehaves when
// the test says so.

import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { ChargerValues } from '../../model/wire/chargerState.ts'
import type { KnownValues } from '../diff.ts'
import { openSpool, type Spool } from '../spool/spool.ts'
import { Publisher, type PublisherOptions } from '../uplink/publish.ts'
import { type Keyed, TestAuthority } from './certificates.ts'
import { FakeBroker } from './fakeBroker.ts'
import { memoryFolder } from './folder.ts'
import { readableLog } from './log.ts'

/** One CA, the certificate of a server, and the certificate of the edge `wb`. */
export class Site {
  readonly authority: TestAuthority
  readonly server: Keyed
  readonly device: Keyed

  private constructor(authority: TestAuthority, server: Keyed, device: Keyed) {
    this.authority = authority
    this.server = server
    this.device = device
  }

  static async make(): Promise<Site> {
    const authority = await TestAuthority.make()
    return new Site(authority, await authority.issue('server', { dns: ['localhost'] }), await authority.issue('wb'))
  }

  broker(server: Keyed = this.server): Promise<FakeBroker> {
    return FakeBroker.start({ ca: this.authority.ca, ...server })
  }

  async bench(t: TestContext, options: Partial<PublisherOptions> = {}): Promise<Bench> {
    return this.benchOf(t, await this.broker(), options)
  }

  benchOf(
    t: TestContext,
    broker: FakeBroker,
    options: Partial<PublisherOptions> = {},
    path = join(memoryFolder(t), 'spool.sqlite')
  ): Bench {
    return new Bench(t, this, broker, path, options)
  }
}

export const startMs = Date.UTC(2026, 10, 23)

export class Bench {
  readonly broker: FakeBroker
  readonly spool: Spool
  readonly publisher: Publisher
  readonly log = readableLog()
  known: KnownValues = {}
  #timeMs = startMs

  constructor(t: TestContext, site: Site, broker: FakeBroker, path: string, options: Partial<PublisherOptions>) {
    this.broker = broker
    this.spool = openSpool({ path, maxBytes: 512 * 1024 * 1024 })
    this.publisher = new Publisher({
      broker: { host: 'localhost', port: broker.port },
      identity: 'wb',
      tls: { ca: site.authority.ca, ...site.device },
      spool: this.spool,
      currentState: () => [{ charger: 'wb', known: this.known }],
      mayPublish: charger => charger === 'wb',
      log: this.log.log,
      reconnectDelayMs: { min: 5, max: 40 },
      ...options
    })
    t.after(async () => {
      await this.publisher.stop(50)
      this.spool.close()
      await broker.stop()
    })
  }

  /** Appends one poll that changed these values. Returns its sequence number. */
  append(values: Partial<ChargerValues>, charger = 'wb'): number {
    this.#timeMs += 1_000
    const timeMs = this.#timeMs
    const entries = Object.entries(values).map(([name, value]) => [name, { value, timeMs }])
    this.known = { ...this.known, ...Object.fromEntries(entries) }
    const seq = this.spool.append({ charger, timeMs, values }, { timeMs, known: this.known })
    this.publisher.wake()
    return seq
  }

  /** Starts the publisher and waits until it is connected. */
  async connect(): Promise<void> {
    await this.publisher.start()
    await this.broker.until(() => this.log.events().includes('connected'))
  }

  power = (...powers: number[]) => powers.map(PowerOutput => this.append({ PowerOutput }))

  unsettled = () => this.spool.page(0, this.spool.newestSeq, 10_000).map(({ seq }) => seq)
}
