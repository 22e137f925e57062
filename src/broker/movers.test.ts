// Tests what the broker does when the Shadow moves forward. The action depends on the mover.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Aedes, type AedesOptions, type Client } from 'aedes'
import { Budget } from '../model/server/budget.ts'
import { encodeEnvelope } from '../model/wire/envelope.ts'
import { connectionName, topicOf } from '../model/wire/topics.ts'
import { Broker } from './broker.ts'
import { type Mover, Shadow } from './shadow.ts'

async function open(t: TestContext) {
  let aedes: Aedes | undefined
  const createBroker = Aedes.createBroker.bind(Aedes)
  t.mock.method(Aedes, 'createBroker', async (options: AedesOptions) => {
    aedes = await createBroker(options)
    return aedes
  })
  const shadow = new Shadow()
  const broker = await Broker.open({
    admission: { admit: () => true },
    budget: new Budget(1_000_000),
    limits: { messagesPerSecond: 1_000, bytesPerSecond: 1_000_000 },
    report() {},
    failed: assert.ifError,
    link: undefined,
    shadow,
    presence: { node: 'a', graceMs: 1_000, store() {}, onlineElsewhere: async () => new Set() }
  })
  t.after(() => broker.close())
  const emitted: string[] = []
  const { mq } = aedes as unknown as {
    mq: { on(topic: string, heard: (packet: object, done: () => void) => void): void }
  }
  mq.on('chargers/#', (packet, done) => {
    emitted.push(String((packet as { payload: Buffer }).payload))
    done()
  })
  const heard = t.mock.method(broker.presence, 'hear', () => {})
  aedes!.emit('subscribe', [{ topic: 'chargers/#', qos: 0 }], { id: 'dashboard' } as unknown as Client)
  return {
    shadow,
    emitted,
    heard: () => heard.mock.calls.map(({ arguments: [charger, timeUs] }) => `${charger} ${timeUs}`)
  }
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await new Promise(resolve => setImmediate(resolve))
}

const isTold: Readonly<Record<Mover, boolean>> = {
  committed: true,
  heard: true,
  loaded: true,
  relayed: false, // the news is on its way already
  presented: false // presence sends its own news
}

for (const mover of Object.keys(isTold) as Mover[]) {
  test(`subscribers ${isTold[mover] ? 'are' : 'are not'} told what was ${mover}`, async t => {
    const { shadow, emitted } = await open(t)
    const payload = encodeEnvelope({ timeUs: 1, value: 7 })
    shadow.move('chargers/c1/PowerOutput', 1, payload, mover)
    await turns()
    assert.deepEqual(emitted, isTold[mover] ? [payload] : [])
    shadow.move('chargers/c1/PowerOutput', 1, payload, mover)
    await turns()
    assert.equal(emitted.length, isTold[mover] ? 1 : 0, 'what does not move forward is told to nobody')
  })
}

test('presence hears what another server says of a charger, and not what this one does', async t => {
  const { shadow, heard } = await open(t)
  for (const [i, mover] of (Object.keys(isTold) as Mover[]).entries())
    shadow.move(topicOf('c1', connectionName), i + 1, encodeEnvelope({ timeUs: i + 1, value: 'online' }), mover)
  assert.deepEqual(heard(), ['c1 2', 'c1 3', 'c1 4'])
})
