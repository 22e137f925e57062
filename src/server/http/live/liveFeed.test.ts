import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createParser } from 'eventsource-parser'
import { encodeEnvelope } from '../../../model/wire/envelope.ts'
import { type ListenOptions, LiveFeed } from './liveFeed.ts'
import { LiveJournal } from './liveJournal.ts'

const payload = (value: number | string, second = 1): string => encodeEnvelope({ timeUs: second * 1e6, value })

interface Event {
  readonly id: string
  readonly event?: string
  readonly data?: unknown
}

/** A listener that becomes slow after `pieces` pieces. It keeps the events that it received. */
function listener(feed: LiveFeed, options: Partial<ListenOptions> = {}, pieces = Number.POSITIVE_INFINITY) {
  let text = ''
  let left = pieces
  const state = { ended: false }
  const listening = feed.listen({
    mayReadCards: true,
    charger: undefined,
    lastEventId: undefined,
    send: bytes => {
      text += Buffer.from(bytes).toString()
      return --left > 0
    },
    end: () => {
      state.ended = true
    },
    ...options
  })
  const events = (): Event[] => {
    const found: Event[] = []
    const parser = createParser({
      onId: id => found.push({ id }),
      onEvent: ({ id, event, data }) => found.splice(-1, 1, { id: id!, event: event!, data: JSON.parse(data) })
    })
    parser.feed(text)
    text = ''
    return found
  }
  const drain = (): void => {
    left = Number.POSITIVE_INFINITY
    listening.drained()
  }
  return { listening, events, drain, state }
}

const values = (events: readonly Event[], event = 'reading'): unknown[] =>
  events.filter(found => found.event === event).flatMap(found => found.data as unknown[])
const lastId = (events: readonly Event[]): string => events.at(-1)!.id

test('a listener gets the newest value of each topic once a flush, as JSON', t => {
  const feed = new LiveFeed()
  t.after(() => feed.close())
  const { events } = listener(feed)
  feed.note('chargers/c1/PowerOutput', { payload: payload(1) })
  feed.note('chargers/c1/PowerOutput', { payload: payload(2, 2) })
  feed.note('chargers/c2/ChargerStatus', { payload: payload('a "quoted"\nword') })
  feed.flush()
  assert.deepEqual(values(events()), [
    { charger: 'c1', name: 'PowerOutput', time: '1970-01-01T00:00:02.000Z', value: 2 },
    { charger: 'c2', name: 'ChargerStatus', time: '1970-01-01T00:00:01.000Z', value: 'a "quoted"\nword' }
  ])
  feed.flush()
  assert.deepEqual(events(), [])
})

test('presence and EdgeStatus are events of their own', t => {
  const feed = new LiveFeed()
  t.after(() => feed.close())
  const { events } = listener(feed)
  feed.note('chargers/c1/Connection', { payload: payload('online') })
  feed.note('chargers/c1/EdgeStatus', { payload: '{"SamplingTime":"2026-01-01T00:00:00.000Z","Version":"1"}' })
  feed.flush()
  const got = events()
  assert.deepEqual(values(got, 'connection'), [{ charger: 'c1', state: 'online', since: '1970-01-01T00:00:01.000Z' }])
  assert.deepEqual(values(got, 'status'), [
    { charger: 'c1', status: { SamplingTime: '2026-01-01T00:00:00.000Z', Version: '1' } }
  ])
})

test('a card id is masked for who may not see it, live and from the journal; that there is none is no secret', t => {
  const feed = new LiveFeed()
  t.after(() => feed.close())
  const viewer = listener(feed, { mayReadCards: false })
  const billing = listener(feed)
  const [{ id }] = viewer.events() as [Event]
  feed.note('chargers/c1/ConnectedVehicle', { payload: payload('CARD-1') })
  feed.note('chargers/c2/ConnectedVehicle', { payload: payload('') })
  feed.flush()
  const vehicles = (events: readonly Event[]) => values(events).map(reading => (reading as { value: string }).value)
  assert.deepEqual(vehicles(viewer.events()), ['***', ''])
  assert.deepEqual(vehicles(billing.events()), ['CARD-1', ''])
  assert.deepEqual(vehicles(listener(feed, { lastEventId: id, mayReadCards: false }).events()), ['***', ''])
  viewer.listening.mayReadCards(true)
  feed.note('chargers/c1/ConnectedVehicle', { payload: payload('CARD-2', 2) })
  feed.flush()
  assert.deepEqual(vehicles(viewer.events()), ['CARD-2'])
})

test('a listener of one charger hears of no other', t => {
  const feed = new LiveFeed()
  t.after(() => feed.close())
  const { events } = listener(feed, { charger: 'c2' })
  const [{ id }] = events() as [Event]
  for (const charger of ['c1', 'c2', 'c3']) feed.note(`chargers/${charger}/PowerOutput`, { payload: payload(1) })
  feed.flush()
  const names = (found: readonly Event[]) => values(found).map(reading => (reading as { charger: string }).charger)
  assert.deepEqual(names(events()), ['c2'])
  assert.deepEqual(names(listener(feed, { charger: 'c3', lastEventId: id }).events()), ['c3'])
})

test('who comes back goes on behind his last event, each topic once, and gets nothing twice', t => {
  const feed = new LiveFeed()
  t.after(() => feed.close())
  const first = listener(feed)
  feed.note('chargers/c1/PowerOutput', { payload: payload(1) })
  feed.flush()
  const lastEventId = lastId(first.events())
  first.listening.close()
  for (const second of [2, 3]) {
    feed.note('chargers/c1/PowerOutput', { payload: payload(second, second) })
    feed.flush()
  }
  feed.note('chargers/c2/Connection', { payload: payload('offline', 4) })
  feed.flush()
  const back = listener(feed, { lastEventId }).events()
  assert.deepEqual(values(back), [{ charger: 'c1', name: 'PowerOutput', time: '1970-01-01T00:00:03.000Z', value: 3 }])
  assert.equal(values(back, 'connection').length, 1)
  assert.deepEqual(values(listener(feed, { lastEventId: lastId(back) }).events()), [])
})

test('an id of another start, from the future, or of nobody is answered with reset', t => {
  const feed = new LiveFeed()
  t.after(() => feed.close())
  const [{ id }] = listener(feed).events() as [Event]
  for (const lastEventId of ['', 'x', 'other.0', `${id.split('.')[0]}.7`, `${id}x`]) {
    const events = listener(feed, { lastEventId }).events()
    assert.deepEqual(events, [{ id, event: 'reset', data: {} }], lastEventId)
  }
  assert.deepEqual(listener(feed, { lastEventId: id }).events(), [{ id }])
})

test('a slow listener gets nothing more until it has drained, then what is newest of all it has missed', t => {
  const feed = new LiveFeed()
  t.after(() => feed.close())
  const slow = listener(feed, {}, 2)
  for (let second = 1; second <= 5; second++) {
    feed.note('chargers/c1/PowerOutput', { payload: payload(second, second) })
    feed.note(`chargers/c${second}/SessionEnergy`, { payload: payload(second, second) })
    feed.flush()
  }
  assert.equal(values(slow.events()).length, 2)
  slow.drain()
  const missed = values(slow.events()) as { name: string; value: number }[]
  assert.deepEqual(
    missed.map(({ name, value }) => `${name} ${value}`),
    ['SessionEnergy 2', 'SessionEnergy 3', 'SessionEnergy 4', 'PowerOutput 5', 'SessionEnergy 5']
  )
  feed.note('chargers/c1/PowerOutput', { payload: payload(6, 6) })
  feed.flush()
  assert.equal(values(slow.events()).length, 1)
})

test('who stays slow is cut; others are not', t => {
  t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] })
  let nowMs = 0
  t.mock.method(performance, 'now', () => nowMs)
  const feed = new LiveFeed()
  t.after(() => feed.close())
  const slow = listener(feed, {}, 1)
  const quick = listener(feed)
  nowMs = 29_000
  t.mock.timers.tick(1_000)
  assert.deepEqual([slow.state.ended, quick.state.ended, feed.listeners], [false, false, 2])
  nowMs = 31_000
  t.mock.timers.tick(1_000)
  assert.deepEqual([slow.state.ended, quick.state.ended, feed.listeners], [true, false, 1])
})

test('nobody listens: nothing is kept; a while after the last one has gone the journal is forgotten, and begins anew', t => {
  t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] })
  const feed = new LiveFeed()
  feed.note('chargers/c1/PowerOutput', { payload: payload(1) })
  const first = listener(feed)
  const lastEventId = lastId(first.events())
  feed.flush()
  assert.deepEqual(first.events(), [])
  first.listening.close()
  t.mock.timers.tick(59_000)
  const second = listener(feed, { lastEventId })
  assert.deepEqual(second.events(), [{ id: lastEventId }])
  second.listening.close()
  t.mock.timers.tick(61_000)
  assert.equal(listener(feed, { lastEventId }).events()[0]!.event, 'reset')
  feed.close()
})

test('figures come once a second to who listens to all, and a ping keeps a quiet stream alive', t => {
  t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] })
  let asked = 0
  const feed = new LiveFeed({ figures: () => ({ received: ++asked }) as never })
  t.after(() => feed.close())
  t.mock.timers.tick(3_000)
  assert.equal(asked, 0, 'nobody listens')
  const all = listener(feed)
  const one = listener(feed, { charger: 'c1' })
  t.mock.timers.tick(2_000)
  assert.equal(all.events().filter(({ event }) => event === 'ingest').length, 2)
  assert.equal(one.events().filter(({ event }) => event === 'ingest').length, 0)
})

test('the journal holds as many topics as it may, and says when something is missing', () => {
  const journal = new LiveJournal(2)
  const id = (): string => journal.idOf(journal.number)
  const start = id()
  journal.add(new Map([['chargers/c1/PowerOutput', payload(1)]]))
  const one = id()
  journal.add(new Map([['chargers/c2/PowerOutput', payload(1)]]))
  assert.equal(journal.numberOf(start), 0)
  journal.add(new Map([['chargers/c3/PowerOutput', payload(1)]]))
  assert.equal(journal.numberOf(start), undefined)
  assert.deepEqual(
    journal.since(journal.numberOf(one)!, 10).map(({ charger }) => charger),
    ['c2', 'c3']
  )
})
