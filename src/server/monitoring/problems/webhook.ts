// Posts a signed message to the operator's URL, and tells whether it was accepted. Follows no redirect, reads no
// answer, and gives up in time. The caller decides what to do with a message that was not accepted. Neither URL nor
// secret appears in any error.

import { createHmac } from 'node:crypto'
import { webhookTimeoutMs } from './limits.ts'

export interface WebhookTarget {
  readonly url: string
  readonly secret: string
}

/** Time, and HMAC-SHA256 of `time.body`: a receiver that checks both accepts neither forged nor repeated messages. */
export const signatureOf = (secret: string, seconds: number, body: string): string =>
  `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`

/** Resolves when the receiver answered 2xx. Rejects with a sentence without URL and secret. */
export async function post({ url, secret }: WebhookTarget, message: object): Promise<void> {
  const body = JSON.stringify(message)
  const response = await fetch(url, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'user-agent': 'chargelift',
      'x-chargelift-signature': signatureOf(secret, Math.floor(Date.now() / 1000), body)
    },
    redirect: 'manual',
    signal: AbortSignal.timeout(webhookTimeoutMs)
  }).catch(error => {
    throw new Error(`expected an answer, found ${reasonOf(error)}`)
  })
  await response.body?.cancel().catch(() => {})
  if (!response.ok) throw new Error(`expected an answer of 200 to 299, found ${response.status}`)
}

function reasonOf({ name, cause }: Error): string {
  if (name === 'TimeoutError') return `none within ${webhookTimeoutMs / 1000} s`
  const { code } = (cause ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : 'none'
}
