import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EventParser } from './eventStream.ts'

const all = (parser: EventParser, ...pieces: readonly string[]) => pieces.flatMap(piece => [...parser.push(piece)])

describe('event stream', () => {
  it('reads events however they are cut into pieces', () => {
    const text = ': hello\r\nid: 7\r\nevent: reading\r\ndata: [1,\r\ndata: 2]\r\n\r\ndata:x\n\n'
    const wanted = [
      { event: 'reading', data: '[1,\n2]', id: '7' },
      { event: 'message', data: 'x', id: '7' }
    ]
    assert.deepEqual(all(new EventParser(), text), wanted)
    assert.deepEqual(all(new EventParser(), ...text), wanted)
    for (let cut = 1; cut < text.length; cut++) {
      assert.deepEqual(all(new EventParser(), text.slice(0, cut), text.slice(cut)), wanted, `cut at ${cut}`)
    }
  })

  it('an event without data is none, but moves on where to resume', () => {
    const parser = new EventParser('3')
    assert.equal(parser.lastId, '3')
    assert.deepEqual(all(parser, 'retry: 2000\nid: 8\n\n'), [])
    assert.equal(parser.lastId, '8')
  })
})
