// The queue in front of TLS: a bounded number of handshakes begins per second, all others wait. Pure; the caller gives
// the time. Promises that no address starves: each network address waits in its own row, rows take turns, and a flood
// from one address delays itself. After a stall only a few begin at once, so that live connections are still served.

import { isIPv4 } from 'node:net'
import { handshakeTimeoutMs } from '../limits.ts'
import { handshakesWaitingMax } from './limits.ts'

interface Waiting<T> {
  readonly item: T
  readonly sinceMs: number
}

export interface Turn<T> {
  readonly begin: readonly T[]
  /** Waited for longer than the handshake timeout. */
  readonly expired: readonly T[]
}

/** Turns are given this often while a connection waits. */
export const turnMs = 10

export class HandshakeQueue<T> {
  readonly #perSecond: number
  readonly #waitingMax: number
  /** In the order of their turns. */
  readonly #rows = new Map<string, Waiting<T>[]>()
  #waiting = 0
  #allowance: number
  #lastMs = 0

  constructor(perSecond: number, waitingMax = handshakesWaitingMax) {
    this.#perSecond = perSecond
    this.#waitingMax = waitingMax
    this.#allowance = this.#burst
  }

  get waiting(): number {
    return this.#waiting
  }

  /**
   * When too many wait, returns the one that has to leave: the last of the longest row; or the new one where each row
   * has one entry, so that a flood from everywhere neither pushes out the first in line nor costs a search each.
   */
  add(address: string, item: T, nowMs: number): T | undefined {
    const network = networkOf(address)
    const row = this.#rows.get(network)
    if (row === undefined && this.#waiting >= this.#waitingMax && this.#rows.size === this.#waiting) return item
    if (row === undefined) this.#rows.set(network, [{ item, sinceMs: nowMs }])
    else row.push({ item, sinceMs: nowMs })
    this.#waiting++
    return this.#waiting > this.#waitingMax ? this.#dropLast() : undefined
  }

  turnsAt(nowMs: number): Turn<T> {
    const earned = ((nowMs - this.#lastMs) * this.#perSecond) / 1_000
    this.#allowance = Math.min(this.#burst, this.#allowance + earned)
    this.#lastMs = nowMs
    const begin: T[] = []
    const expired: T[] = []
    while (this.#allowance >= 1 && this.#waiting > 0) {
      const { item, sinceMs } = this.#next()
      if (nowMs - sinceMs > handshakeTimeoutMs) expired.push(item)
      else {
        begin.push(item)
        this.#allowance--
      }
    }
    return { begin, expired }
  }

  get #burst(): number {
    return Math.max(1, (this.#perSecond * 2 * turnMs) / 1_000)
  }

  /** The first of the first row; the row goes to the end. */
  #next(): Waiting<T> {
    const [network, row] = this.#rows.entries().next().value!
    const first = row.shift()!
    this.#rows.delete(network)
    if (row.length > 0) this.#rows.set(network, row)
    this.#waiting--
    return first
  }

  #dropLast(): T {
    let longest: Waiting<T>[] = []
    for (const row of this.#rows.values()) if (row.length > longest.length) longest = row
    this.#waiting--
    return longest.pop()!.item
  }
}

/** One customer has one IPv4 address, or a /64 of IPv6. */
export function networkOf(address: string): string {
  const mapped = address.slice(address.lastIndexOf(':') + 1)
  if (isIPv4(mapped)) return mapped
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const rest = tail === '' ? [] : tail.split(':')
    while (groups.length + rest.length < 8) groups.push('0')
    groups.push(...rest)
  }
  return groups.slice(0, 4).join(':')
}
