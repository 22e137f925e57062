// Recognises an edge's own telemetry by the bytes of its topic: `chargers/{own charger}/{value name}`. Pure.

import type { Identity } from '../../model/server/admission.ts'
import { valueNameCharactersMax } from '../../model/wire/limits.ts'
import { connectionName, topicRoot } from '../../model/wire/topics.ts'

export class OwnTopics {
  readonly #prefixes: readonly Buffer[]

  constructor({ role, chargers }: Identity) {
    this.#prefixes = role === 'edge' ? chargers!.map(name => Buffer.from(`${topicRoot}${name}/`)) : []
  }

  /** Where the value name begins when the topic is exactly own telemetry, else 0. */
  nameAt(chunk: Buffer, topicAt: number, topicEnd: number): number {
    for (const prefix of this.#prefixes) {
      const nameAt = topicAt + prefix.length
      if (nameAt < topicEnd && startsWith(chunk, topicAt, prefix)) return isName(chunk, nameAt, topicEnd) ? nameAt : 0
    }
    return 0
  }
}

function startsWith(chunk: Buffer, at: number, prefix: Buffer): boolean {
  for (let i = 0; i < prefix.length; i++) if (chunk[at + i] !== prefix[i]) return false
  return true
}

const nameBytes = new Uint8Array(256)
for (const byte of Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_')) nameBytes[byte] = 1

function isName(chunk: Buffer, at: number, end: number): boolean {
  if (end - at > valueNameCharactersMax) return false
  for (let i = at; i < end; i++) if (nameBytes[chunk[i]!] === 0) return false
  return true
}

const connectionBytes = Buffer.from(connectionName)
export const isConnection = (chunk: Buffer, at: number, end: number): boolean =>
  end - at === connectionBytes.length && startsWith(chunk, at, connectionBytes)
