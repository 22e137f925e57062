import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Aedes, type AedesOptions, type Client } from 'aedes'
import type { Identity } from '../model/server/admission.ts'
import { Budget } from '../model/server/budget.ts'
import { encodeEnvelope } from '../model/wire/envelope.ts'
import { Broker } from './broker.ts'
import type { Gate } from './gate/gate.ts'
import type { EdgeConnection } from './presence.ts'
import { Shadow } from './shadow.ts'

/** Opens a broker and gives access to the Aedes inside. */
async function open(t: TestContext, store: (connection: EdgeConnection) => void = () => {}) {
  let hooks: AedesOptions | undefined
  let aedes: Aedes | undefined
  const createBroker = Aedes.createBroker.bind(Aedes)
  t.mock.method(Aedes, 'createBroker', async (options: AedesOptions) => {
    hooks = options
    aedes = await createBroker(options)
    return aedes
  })
  const broker = await Broker.open({
    admission: { admit: () => true },
    budget: new Budget(1_000_000),
    limits: { messagesPerSecond: 1_000, bytesPerSecond: 1_000_000 },
    report() {},
    failed: assert.ifError,
    link: undefined,
    shadow: new Shadow(),
    presence: { node: 'a', graceMs: 1_000, store, onlineElsewhere: async () => new Set() }
  })
  t.after(() => broker.close())
  return { broker, hooks: hooks!, aedes: aedes! }
}

test("another node's will comes without a client, and is let through", async t => {
  const { hooks } = await open(t)
  const will = { cmd: 'publish', topic: 'chargers/c1/commands/x', payload: '', qos: 1, retain: true } as const
  const answers: unknown[] = []
  hooks.authorizePublish!(null, { ...will, dup: false }, error => answers.push(error))
  assert.deepEqual(answers, [null])
})

test('a connection that ended before Aedes called it ready does not stay online for ever', async t => {
  const stored: string[] = []
  const { aedes } = await open(t, ({ charger, state }) => stored.push(`${charger} ${state}`))
  const ready = (name: string, destroyed: boolean): void => {
    const identity: Identity = { name, role: 'edge', chargers: [name], issuer: '', serial: '', validToMs: 0 }
    const gate: Pick<Gate, 'identity' | 'address' | 'destroyed'> = { identity, address: '1', destroyed }
    aedes.emit('clientReady', { id: name, conn: gate } as unknown as Client)
  }
  ready('c1', true)
  ready('c2', false)
  assert.deepEqual(stored, ['c2 online'])
})

const topic = 'chargers/c1/PowerOutput'
const payloadAt = (second: number): string => encodeEnvelope({ timeUs: second * 1_000_000, value: second })
const commit = (broker: Broker, second: number): void =>
  broker.shadow.advance(
    { topics: [topic], timesUs: Float64Array.of(second * 1_000_000), payloads: [payloadAt(second)] },
    'committed'
  )
/** A subscriber of all topics. */
const client = {
  id: 'reader',
  conn: { identity: { role: 'consumer', chargers: undefined }, filters: new Set(), takesNews: () => true }
} as unknown as Client

test('of two values of a topic in one turn only the newer one goes on its way: somebody may be sent that one right now', async t => {
  const { broker, hooks, aedes } = await open(t)
  const sent: (string | undefined)[] = []
  const { mq } = aedes as unknown as { mq: { on(filter: string, hear: (news: never, done: () => void) => void): void } }
  mq.on('chargers/#', (news, done) => {
    sent.push(hooks.authorizeForward!(client, news)?.payload.toString())
    done()
  })
  aedes.emit('subscribe', [{ topic: 'chargers/#', qos: 1 }], client)
  commit(broker, 5)
  commit(broker, 6)
  await turn()
  assert.deepEqual(sent, [undefined, payloadAt(6)])
  commit(broker, 7)
  await turn()
  assert.deepEqual(sent.slice(2), [payloadAt(7)])
})

test('on a topic nobody is sent anything older than the newest; only the queue of who was away is history', async t => {
  const { broker, hooks } = await open(t)
  commit(broker, 5)
  const forwarded = (packet: object, second: number, of = topic): string | undefined => {
    const whole = {
      cmd: 'publish',
      qos: 1,
      retain: false,
      topic: of,
      payload: Buffer.from(payloadAt(second)),
      ...packet
    }
    return hooks.authorizeForward!(client, whole as never)?.payload.toString()
  }
  assert.equal(forwarded({}, 4), undefined, 'news that was overtaken')
  assert.equal(forwarded({}, 5), payloadAt(5))
  assert.equal(forwarded({}, 6), payloadAt(6), "another server's news may be newer than what is known here")
  assert.equal(forwarded({}, 4, 'chargers/c2/PowerOutput'), payloadAt(4), 'a topic that is not known here')
  assert.equal(forwarded({ retain: true }, 3), payloadAt(6), 'what was retained when the stream began')
  assert.equal(forwarded({ messageId: 7 }, 4), payloadAt(4), 'from the queue')
})
