// Writes the PUBLISH packets of one poll: K values at one SamplingTime. The packets are encoded once and then patched
// in place. They are encoded again only when a value changes its number of characters. A poll is one buffer, for one
// socket write. Source: OASIS MQTT 3.1.1, section 3.3.

import { remainingLength } from '../../src/broker/gate/frames.ts'
import { topicOf } from '../../src/model/wire/topics.ts'
import { type Column, literalOf } from './columns.ts'

export interface PollWriterOptions {
  readonly charger: string
  readonly columns: readonly Column[]
  readonly qos: 0 | 1 | 2
}

const publish = 0x30
const dupFlag = 0x08
const retainFlag = 0x01
const timeLength = '2026-11-23T10:00:00.000Z'.length
const minuteMs = 60_000
const zero = 0x30

export class PollWriter {
  readonly #options: PollWriterOptions
  readonly #count: number
  /** The positions where each packet begins, and of its message id, time and value. */
  readonly #firstByteAt: number[] = []
  readonly #idAt: number[] = []
  readonly #timeAt: number[] = []
  readonly #valueAt: number[] = []
  readonly #valueLength: number[] = []
  readonly #units: Float64Array
  #image = Buffer.alloc(0)
  #minute = Number.NaN
  readonly #minuteText = Buffer.alloc(timeLength)

  constructor(options: PollWriterOptions) {
    this.#options = options
    this.#count = options.columns.length
    this.#units = new Float64Array(this.#count).fill(Number.NaN)
  }

  /**
   * Writes the packets for the values in `units` from `at` on. The first packet has message id `firstId`, and the
   * others have the next ids. After 65,535 the ids start again at 1. The returned buffer belongs to the caller.
   */
  write(units: Float64Array, at: number, timeMs: number, firstId: number, dup = false): Buffer {
    for (let k = 0; k < this.#count; k++) this.#setValue(k, units[at + k]!)
    this.#setTime(timeMs)
    if (this.#options.qos > 0) this.#setIds(firstId)
    const bytes = Buffer.from(this.#image)
    if (dup && this.#options.qos > 0) for (const at of this.#firstByteAt) bytes[at]! |= dupFlag
    return bytes
  }

  #setValue(k: number, units: number): void {
    if (this.#units[k] === units) return
    this.#units[k] = units
    const column = this.#options.columns[k]!
    if (column.scale === 1 && this.#setDigits(k, units)) return
    const text = literalOf(column, units)
    if (text.length === this.#valueLength[k]) this.#image.write(text, this.#valueAt[k]!, 'latin1')
    else this.#encode()
  }

  /** Returns false when the new number has another length than the number before. */
  #setDigits(k: number, units: number): boolean {
    const length = this.#valueLength[k]
    if (length === undefined) return false
    const end = this.#valueAt[k]! + length
    const least = length === 1 ? 0 : 10 ** (length - 1)
    if (units < least || units >= 10 ** length) return false
    let rest = units
    for (let p = end - 1; p >= end - length; p--) {
      const tens = Math.floor(rest / 10)
      this.#image[p] = zero + rest - tens * 10
      rest = tens
    }
    return true
  }

  #setTime(ms: number): void {
    const minute = Math.floor(ms / minuteMs)
    if (minute !== this.#minute) {
      this.#minute = minute
      this.#minuteText.write(new Date(minute * minuteMs).toISOString(), 0, 'latin1')
    }
    const text = this.#minuteText
    const rest = ms - minute * minuteMs
    const seconds = Math.floor(rest / 1000)
    const millis = rest - seconds * 1000
    text[17] = zero + Math.floor(seconds / 10)
    text[18] = zero + (seconds % 10)
    text[20] = zero + Math.floor(millis / 100)
    text[21] = zero + (Math.floor(millis / 10) % 10)
    text[22] = zero + (millis % 10)
    for (let k = 0; k < this.#count; k++) this.#image.set(text, this.#timeAt[k]!)
  }

  #setIds(firstId: number): void {
    let id = firstId
    for (let k = 0; k < this.#count; k++) {
      this.#image[this.#idAt[k]!] = id >> 8
      this.#image[this.#idAt[k]! + 1] = id & 255
      id = (id % 65_535) + 1
    }
  }

  /** Encodes all packets with the current values. Times and ids are set afterwards. */
  #encode(): void {
    this.#minute = Number.NaN
    let end = 0
    const packets = this.#options.columns.map((column, k) => {
      // A packet without a first value gets a placeholder. `#setValue` then sets each packet's value in turn.
      const text = Number.isNaN(this.#units[k]!) ? '0' : literalOf(column, this.#units[k]!)
      const packet = this.#packet(column, text)
      this.#firstByteAt[k] = end
      end += packet.length
      this.#valueLength[k] = text.length
      this.#valueAt[k] = end - 1 - text.length
      this.#timeAt[k] = this.#valueAt[k]! - '","Value":'.length - timeLength
      this.#idAt[k] = this.#timeAt[k]! - '{"SamplingTime":"'.length - 2
      return packet
    })
    this.#image = Buffer.concat(packets)
  }

  #packet({ valueName }: Column, text: string): Buffer {
    const { charger, qos } = this.#options
    const topic = Buffer.from(topicOf(charger, valueName), 'latin1')
    const payload = Buffer.from(`{"SamplingTime":"${' '.repeat(timeLength)}","Value":${text}}`, 'latin1')
    const id = Buffer.alloc(qos > 0 ? 2 : 0)
    const length = 2 + topic.length + id.length + payload.length
    const header = [
      publish | (qos << 1) | retainFlag,
      ...remainingLength(length),
      topic.length >> 8,
      topic.length & 255
    ]
    return Buffer.concat([Buffer.from(header), topic, id, payload])
  }
}

/** The CONNECT packet of MQTT 3.1.1, with a clean session. */
export function connectPacket(clientId: string, keepaliveSeconds: number): Buffer {
  const id = Buffer.from(clientId, 'latin1')
  const cleanSession = 0x02
  const body = [0, 4, ...Buffer.from('MQTT'), 4, cleanSession, keepaliveSeconds >> 8, keepaliveSeconds & 255]
  const rest = [...body, id.length >> 8, id.length & 255, ...id]
  return Buffer.from([0x10, ...remainingLength(rest.length), ...rest])
}
