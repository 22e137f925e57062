// Asks a server's HTTP API. What the asker must change (token, path) is an AskFault; all else may be better the next time.

import { type IncomingMessage, request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import type { ApiError } from '../../model/api/api.ts'
import { reasonOf } from './figures.ts'
import type { ServerAddress } from './flags.ts'

/** The server refused the request itself: asking again changes nothing. */
export class AskFault extends Error {}

const answerMs = 10_000

/** The JSON of a path. Rejects with a sentence. */
export async function ask<Answer>(address: ServerAddress, path: string): Promise<Answer> {
  const response = await open(address, path, {}, AbortSignal.timeout(answerMs))
  return JSON.parse(await textOf(response)) as Answer
}

/** The response of a path when its status is 200. Rejects with a sentence. */
export async function open(
  { url, token, ca }: ServerAddress,
  path: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal
): Promise<IncomingMessage> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = url.protocol === 'https:' ? tlsRequest : plainRequest
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
    request(
      new URL(path, url),
      { headers: { ...headers, ...authorization }, signal, ...(ca !== undefined && { ca }) },
      resolve
    )
      .on('error', error => reject(new Error(`no answer of ${url.origin}: ${reasonOf(error)}`)))
      .end()
  })
  const { statusCode: status = 0 } = response
  if (status === 200) return response
  const error = errorIn(await textOf(response)) ?? `expected an answer of status 200, found ${status}`
  throw status >= 400 && status < 500 && status !== 429 ? new AskFault(error) : new Error(error)
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

function errorIn(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as ApiError
    return typeof error === 'string' ? error : undefined
  } catch {
    return undefined
  }
}
