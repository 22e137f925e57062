// Tests the behaviour of eventsource-parser that the page and `chargelift tail` rely on. With it, a resumed stream
// loses nothing.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createParser, type EventSourceMessage } from 'eventsource-parser'

function read(...pieces: readonly string[]) {
  const events: EventSourceMessage[] = []
  const ids: string[] = []
  const parser = createParser({ onEvent: event => events.push(event), onId: id => ids.push(id) })
  for (const piece of pieces) parser.feed(piece)
  return { events: events.map(({ event, data }) => [event, data]), ids }
}

describe('server-sent events', () => {
  const text =
    'retry: 2000\nid: a-1\n\n: ping\n\nid: a-2\nevent: reading\ndata: [1,\ndata: 2]\n\n' +
    'id: a-3\r\nevent: status\r\ndata: []\r\n\r\ndata:x\n\nid: a-4\nevent: reading\ndata: [3'
  const expected = {
    events: [
      ['reading', '[1,\n2]'],
      ['status', '[]'],
      [undefined, 'x']
    ],
    ids: ['a-1', 'a-2', 'a-3']
  }

  it('are read from pieces of any size, and half an event moves nothing', () => {
    for (let size = 1; size <= text.length; size++) {
      const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
        text.slice(i * size, (i + 1) * size)
      )
      assert.deepEqual(read(...pieces), expected, `in pieces of ${size}`)
    }
    for (let cut = 1; cut < text.length; cut++) {
      assert.deepEqual(read(text.slice(0, cut), text.slice(cut)), expected, `cut at ${cut}`)
    }
  })

  it('tell where to resume even when they have no data, and before their event is handed out', () => {
    const order: string[] = []
    const parser = createParser({ onEvent: ({ data }) => order.push(data), onId: id => order.push(id) })
    parser.feed('id: 8\n\nid: 9\ndata: nine\n\n')
    assert.deepEqual(order, ['8', '9', 'nine'])
  })

  it('a fault in handing one out reaches the caller', () => {
    const parser = createParser({ onEvent: ({ data }) => JSON.parse(data) })
    assert.throws(() => parser.feed('data: {\n\n'), SyntaxError)
  })
})
