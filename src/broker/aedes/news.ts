// News as Aedes forwards it: the packet of a value, and the time in it. Pure.

import { parseTime } from '../../model/wire/envelope.ts'

export interface Forwarded {
  readonly topic: string
  payload: Buffer | string
  /** The payload, where it is known. Aedes' own copies of a packet lack it. */
  readonly text?: string
}

export const newsOf = (topic: string, text: string) =>
  ({ cmd: 'publish', topic, payload: Buffer.from(text), qos: 1, retain: false, dup: false, text }) as const

export type News = ReturnType<typeof newsOf>

export const timeUsOf = (payload: string): number | undefined => {
  const time = /"SamplingTime"\s*:\s*"([^"]+)"/.exec(payload)?.[1]
  return time === undefined ? undefined : parseTime(time)
}
