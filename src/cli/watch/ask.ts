// Asks a server's HTTP API. An AskFault means that the server refused the request itself (token, path). Any other error
// may be temporary.

import { type IncomingMessage, request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import type { ApiError } from '../../model/api/api.ts'
import { ConfigError } from '../../model/errors.ts'
import { harmless, reasonOf } from './figures.ts'
import type { ServerAddress } from './flags.ts'

/** The server refused the request itself. Asking again would change nothing. */
export class AskFault extends Error {}

/** Turns a refusal into a fault of the flags and variables behind the request. */
export const refused = ({ message }: AskFault): ConfigError =>
  new ConfigError([
    {
      path: '--url, --token-file or CHARGELIFT_TOKEN',
      expected: 'a request that is answered',
      found: harmless(message),
      sentence: `The server refused the request: ${harmless(message)}. Check --url, --token-file and CHARGELIFT_TOKEN.`
    }
  ])

const answerMs = 10_000

/** Returns the JSON of a path. Rejects with an Error whose message is a sentence. */
export async function ask<Answer>(address: ServerAddress, path: string): Promise<Answer> {
  const response = await open(address, path, {}, AbortSignal.timeout(answerMs))
  return JSON.parse(await textOf(response)) as Answer
}

/** Returns the response of a path when its status is 200. Rejects with an Error whose message is a sentence. */
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
