// Simulates browsers with open dashboards, in a process of its own: the process reads streams of server-sent events as
// fast as they arrive. The first stream parses every value and keeps the newest value of each topic. The other streams
// only count values. Real browsers run on other machines, so here they must not take the server's CPU.

import { type ClientRequest, get } from 'node:http'
import { serveCalls } from './calls.ts'
import { Histogram } from './histogram.ts'
import { reporting } from './report.ts'

export interface PageOptions {
  /** The server's address, `http://host:port`. */
  readonly url: string
  readonly count: number
}

interface Reading {
  readonly charger: string
  readonly name: string
  readonly time: string
  readonly value: number | string
}

const eventStart = Buffer.from('event: ')
const readingKind = Buffer.from('reading')
const resetKind = Buffer.from('reset')
const readingStart = Buffer.from('{"charger"')

/** The stream of one open page. */
class Page {
  received = 0
  wentBack = 0
  /** Counts closed streams and the server's requests to reload. Each of them means that something was not delivered. */
  closed = 0
  readonly newest = new Map<string, string>()
  readonly #latency: Histogram | undefined
  #rest = Buffer.alloc(0)

  /** With a histogram, the page parses each value and records its latency. Without one, it only counts values. */
  constructor(latency: Histogram | undefined) {
    this.#latency = latency
  }

  open(url: string): Promise<ClientRequest> {
    return new Promise((resolve, reject) => {
      const request = get(`${url}/api/v1/events`, { agent: false }, response => {
        if (response.statusCode !== 200) return reject(new Error(`expected 200, found ${response.statusCode}`))
        response.on('data', chunk => this.#take(chunk))
        response.on('close', () => this.closed++)
        resolve(request)
      })
      request.on('error', reject)
    })
  }

  #take(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    for (;;) {
      const end = bytes.indexOf('\n\n', at)
      if (end === -1) break
      this.#event(bytes.subarray(at, end))
      at = end + 2
    }
    this.#rest = Buffer.from(bytes.subarray(at))
  }

  #event(event: Buffer): void {
    const kindAt = event.indexOf(eventStart)
    if (kindAt === -1) return
    const is = (kind: Buffer): boolean =>
      event
        .subarray(kindAt + eventStart.length)
        .subarray(0, kind.length)
        .equals(kind)
    if (is(resetKind)) this.closed++
    if (!is(readingKind)) return
    if (this.#latency === undefined) this.received += occurrences(event, readingStart)
    else for (const reading of readingsOf(event)) this.#read(reading, this.#latency)
  }

  #read({ charger, name, time, value }: Reading, latency: Histogram): void {
    const topic = `chargers/${charger}/${name}`
    const before = this.newest.get(topic)
    const payload = JSON.stringify({ SamplingTime: time, Value: value })
    if (before !== undefined && payload.slice(0, timeEnd) < before.slice(0, timeEnd)) this.wentBack++
    this.received++
    this.newest.set(topic, payload)
    latency.recordMs(performance.timeOrigin + performance.now() - Date.parse(time))
  }
}

const timeEnd = '{"SamplingTime":"2026-01-01T00:00:00.000Z"'.length

const readingsOf = (event: Buffer): readonly Reading[] =>
  event
    .toString()
    .split('\n')
    .filter(line => line.startsWith('data: '))
    .flatMap(line => JSON.parse(line.slice('data: '.length)) as Reading[])

function occurrences(bytes: Buffer, wanted: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(wanted); at !== -1; at = bytes.indexOf(wanted, at + wanted.length)) count++
  return count
}

serveCalls(async ({ url, count }: PageOptions) => {
  const latency = new Histogram()
  const pages = Array.from({ length: count }, (_, i) => new Page(i === 0 ? latency : undefined))
  for (const page of pages) await page.open(url)
  return reporting(latency, pages, pages.slice(0, 1))
})
