import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AedesOptions, Client } from 'aedes'
import type { DeniedError } from '../../model/errors.ts'
import type { Identity } from '../../model/server/admission.ts'
import { Budget } from '../../model/server/budget.ts'
import type { SecurityEvent } from '../../model/server/security.ts'
import { clientFiltersMax } from '../limits.ts'
import { Hooks, type HooksOptions, isGranted } from './hooks.ts'
import { Interest } from './interest.ts'
import { Sessions } from './sessions.ts'

/** Opens the hooks of a broker and records what they did. */
function open(options: { readonly budget?: Budget; readonly forwarding?: object } = {}) {
  const denied: string[] = []
  const done: string[] = []
  const failures: string[] = []
  const report = (event: SecurityEvent): void => {
    if (event.event === 'denied') denied.push(event.rule)
  }
  const persistence = {
    persistence: {},
    isKeptFor: () => false,
    offlineDropped: () => 0,
    forgetSubscription: async (id: string, filter: string) => void done.push(`forget ${id} ${filter}`),
    forgetSession: async (id: string) => void done.push(`end ${id}`)
  }
  const presence = { introduce: (charger: string) => done.push(`introduce ${charger}`) }
  const hooks = new Hooks({
    interest: new Interest(),
    sessions: new Sessions(),
    persistence,
    presence: presence as unknown as HooksOptions['presence'],
    forwarding: (options.forwarding ?? {}) as HooksOptions['forwarding'],
    budget: options.budget ?? new Budget(1_000_000),
    report,
    failed: error => failures.push(error.message)
  })
  return { hooks, aedes: hooks.forAedes() as Required<AedesOptions>, denied, done, failures }
}

const edge: Identity = { name: 'c1', role: 'edge', chargers: ['c1'], issuer: '', serial: '', validToMs: 0 }
const operator: Identity = { ...edge, name: 'op', role: 'operator', chargers: undefined }

function clientOf(identity: Identity, options: Partial<Client> = {}): Client {
  const keptAlive: number[] = []
  const keepalive = { keepAlive: (seconds: number) => keptAlive.push(seconds) }
  const conn = { identity, filters: new Set<string>(), address: '', keepalive, keptAlive, errored: null }
  return { id: identity.name, clean: true, conn, ...options } as unknown as Client
}

type Fault = (Error & { readonly returnCode?: number }) | null

function connect(aedes: Required<AedesOptions>, client: Client, packet: object): Fault {
  let fault: Fault | undefined
  aedes.preConnect(client, packet as never, (error, isWelcome) => {
    assert.equal(isWelcome, error === null)
    fault = error
  })
  return fault!
}

function authenticate(aedes: Required<AedesOptions>, client: Client): Fault {
  let fault: Fault | undefined
  aedes.authenticate(client, undefined, undefined, (error, isWelcome) => {
    assert.equal(isWelcome, error === null)
    fault = error
  })
  return fault!
}

function subscribe(aedes: Required<AedesOptions>, client: Client, filter: string): boolean {
  let isSubscribed: boolean | undefined
  aedes.authorizeSubscribe(client, { topic: filter, qos: 1 }, (error, subscription) => {
    assert.equal(error, null)
    isSubscribed = subscription !== null
  })
  return isSubscribed!
}

test('the gate takes the keepalive over, and Aedes gets none', () => {
  const { aedes } = open()
  const client = clientOf(edge)
  const packet = { keepalive: 60 }
  assert.equal(connect(aedes, client, packet), null)
  assert.deepEqual([packet.keepalive, (client.conn as unknown as { keptAlive: number[] }).keptAlive], [0, [60]])
})

test('a will is judged like a publish: on an own topic it is ignored, elsewhere it is refused', () => {
  const cases: [Identity, topic: string, expected: string][] = [
    [operator, 'chargers/c1/commands/stop', 'kept'],
    [edge, 'chargers/c1/PowerOutput', 'ignored'],
    [edge, 'chargers/c2/PowerOutput', 'will_topic'],
    [edge, 'chargers/c1/commands/stop', 'will_topic'],
    [operator, 'chargers/c1/PowerOutput', 'will_topic']
  ]
  for (const [identity, topic, expected] of cases) {
    const { aedes, denied } = open()
    const packet = { keepalive: 0, will: { topic } }
    const fault = connect(aedes, clientOf(identity), packet) as DeniedError | null
    assert.equal(fault?.code ?? (packet.will ? 'kept' : 'ignored'), expected, `${identity.role} ${topic}`)
    assert.deepEqual(denied, fault === null ? [] : ['will_topic'])
  }
})

test('a client id of another identity is refused with 2, and over the budget everybody with 3', () => {
  const over = new Budget(1)
  over.take(1, 1)
  const { aedes, denied } = open()
  assert.equal(authenticate(aedes, clientOf(edge)), null)
  assert.equal(authenticate(aedes, clientOf(edge, { id: 'c1:view' })), null)
  assert.equal(authenticate(aedes, clientOf(edge, { id: 'c2' }))?.returnCode, 2)
  assert.deepEqual(denied, ['client_id'])
  assert.equal(authenticate(open({ budget: over }).aedes, clientOf(edge))?.returnCode, 3)
})

test('of too many clean=false sessions of an identity the oldest ends', () => {
  const { aedes, done } = open()
  for (let i = 0; i < 17; i++) authenticate(aedes, clientOf(edge, { id: `c1:${i}`, clean: false }))
  assert.deepEqual(done, ['end c1:0'])
})

test('a filter is granted to its client alone; its own presence is introduced to an edge', () => {
  const { aedes, denied, done } = open()
  const [one, other] = [clientOf(edge), clientOf(edge)]
  assert.equal(subscribe(aedes, one, 'chargers/c1/#'), true)
  assert.deepEqual([isGranted(one, 'chargers/c1/#'), isGranted(other, 'chargers/c1/#')], [true, false])
  assert.equal(subscribe(aedes, one, 'chargers/c2/#'), false)
  assert.equal(isGranted(one, 'chargers/c2/#'), false)
  assert.deepEqual([denied, done], [['subscribe_filter'], ['introduce c1']])
})

test('a stored filter that outlived its right is forgotten', () => {
  const { aedes, done } = open()
  subscribe(aedes, clientOf(edge, { clean: false }), 'chargers/c2/#')
  assert.deepEqual(done, ['forget c1 chargers/c2/#'])
})

test('a client has so many filters and no more, but a known one again', () => {
  const { aedes, denied } = open()
  const client = clientOf(operator)
  for (let i = 0; i < clientFiltersMax; i++) assert.equal(subscribe(aedes, client, `a/${i}`), true)
  assert.equal(subscribe(aedes, client, 'a/0'), true)
  assert.equal(subscribe(aedes, client, 'a/b'), false)
  assert.deepEqual(denied, ['subscription_limit'])
})

test('a hook that throws is answered with a refusal, and reported; nothing leaves it', () => {
  const { aedes, hooks, failures } = open({
    forwarding: {
      isForwarded() {
        throw new Error('forward')
      }
    }
  })
  const broken = { id: 'x', conn: {} } as unknown as Client
  assert.ok(connect(aedes, broken, {}) instanceof Error)
  assert.ok(authenticate(aedes, broken) instanceof Error)
  assert.equal(subscribe(aedes, broken, 'chargers/c1/#'), false)
  let fault: Error | null | undefined
  aedes.authorizePublish(broken, { topic: 'a' } as never, error => {
    fault = error
  })
  assert.ok(fault instanceof Error)
  assert.equal(aedes.authorizeForward(broken, { topic: 'a' } as never), null)
  assert.equal(hooks.isForwarded(broken.conn as never, { topic: 'a', payload: '', retain: false }), false)
  assert.equal(failures.length, 6)
})
