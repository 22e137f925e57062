// The bench of the publisher's tests: a publisher with its real spool and real TLS in front of a broker that
// misbehaves on demand.

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

/** One CA, a server's certificate and that of the edge `wb`. */
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

  /** One poll that changed these values. */
  append(values: Partial<ChargerValues>, charger = 'wb'): number {
    this.#timeMs += 1_000
    const timeMs = this.#timeMs
    const entries = Object.entries(values).map(([name, value]) => [name, { value, timeMs }])
    this.known = { ...this.known, ...Object.fromEntries(entries) }
    const seq = this.spool.append({ charger, timeMs, values }, { timeMs, known: this.known })
    this.publisher.wake()
    return seq
  }

  /** Starts, and resolves when the publisher knows that it is connected. */
  async connect(): Promise<void> {
    await this.publisher.start()
    await this.broker.until(() => this.log.events().includes('connected'))
  }

  power = (...powers: number[]) => powers.map(PowerOutput => this.append({ PowerOutput }))

  unsettled = () => this.spool.page(0, this.spool.newestSeq, 10_000).map(({ seq }) => seq)
}
