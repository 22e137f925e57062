// What a client does wrong at the gate, in the words of the log. Each fault ends the connection. Pure.

import { DeniedError } from '../../model/errors.ts'
import type { Identity } from '../../model/server/admission.ts'
import { packetBytesMax } from '../../model/server/limits.ts'
import * as access from '../access.ts'
import { topicBytesMax } from '../limits.ts'
import * as frames from './frames.ts'
import { receivedMessagesMax } from './limits.ts'

/** `greeting`: before CONNECT; `connecting`: before CONNACK. */
export type Stage = 'greeting' | 'connecting' | 'open'

export const malformed = (found: string): DeniedError =>
  new DeniedError('malformed_packet', `expected MQTT 3.1.1, found ${found}`)

/** Of a frame that cannot even be read. */
export const unreadableFrame = (status: frames.FrameStatus, firstByte: number): DeniedError =>
  status === frames.tooLarge
    ? new DeniedError('packet_too_large', `expected at most ${packetBytesMax} bytes, found a longer packet announced`)
    : malformed(`a packet of first byte ${firstByte}, or a length it cannot have`)

export const illegalPacket = ({ code, found }: frames.Fault): DeniedError =>
  new DeniedError(code, `expected MQTT 3.1.1 within the limits, found ${found}`)

export const noConnectFirst = (packetType: number): DeniedError =>
  new DeniedError('protocol', `expected CONNECT first, found packet type ${packetType}`)

export const secondConnect = (): DeniedError => new DeniedError('protocol', 'expected one CONNECT, found a second one')

export const shortPublish = (): DeniedError => malformed('a PUBLISH that is too short for its topic')

export const noPubrel = (): DeniedError =>
  new DeniedError('protocol', `expected PUBREL for QoS 2 messages, found none for ${receivedMessagesMax}`)

/** A publish on a legal topic that this identity may not use, if it may not. */
export function topicDenial(
  identity: Identity,
  chunk: Buffer,
  topicAt: number,
  topicEnd: number
): DeniedError | undefined {
  const bytes = topicEnd - topicAt
  if (bytes > topicBytesMax) {
    return new DeniedError('publish_topic', `expected a topic of at most ${topicBytesMax} bytes, found ${bytes}`)
  }
  const topic = chunk.toString('utf8', topicAt, topicEnd)
  if (access.mayPublish(identity, topic)) return undefined
  return new DeniedError('publish_topic', `expected an own topic, found ${topic.slice(0, 120)}`)
}

export const slowConsumer = (found: string): DeniedError =>
  new DeniedError('slow_consumer', `expected a client that reads, found ${found}`)

const awaited = { greeting: 'a CONNECT', connecting: 'an answer to CONNECT', open: 'a packet' }

export const silent = (stage: Stage, seconds: number): DeniedError =>
  new DeniedError('timeout', `expected ${awaited[stage]} within ${seconds} s, found none`)
