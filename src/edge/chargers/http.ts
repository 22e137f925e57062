// The bounded HTTP GET of all drivers: one request at a time, a new connection each time, limits on connect, headers,
// body and size, no redirects. Every way in which a charger can fail to answer becomes a PollError with its cause. No
// URL ever leaves this file: it may hold the charger's key.

// Not 'undici': that also loads fetch, WebSocket and mocks, 6 MB that a Pi would hold in memory for nothing.
import request from 'undici/lib/api/api-request.js'
import Client from 'undici/lib/dispatcher/client.js'
import { type ChargerOptions, PollError } from './charger.ts'
import { chargerAnswerBytesMax, pollConnectTimeoutMs, pollTimeoutMs } from './limits.ts'

export interface Request {
  /** Path and query, after the path of the charger's URL. */
  readonly path: string
  /** Names the request in errors. */
  readonly call: string
  readonly accept: string
  /** What the statuses 401 and 403 mean. */
  readonly keyIsWrong: string
  /** An empty body counts as an answer. */
  readonly mayBeEmpty?: boolean
}

export class ChargerHttp {
  readonly #client: Client
  readonly #basePath: string
  readonly #timeoutMs: number
  /** Aborts the running request. */
  #running: AbortController | undefined

  constructor({ url, timeoutMs = pollTimeoutMs, connectTimeoutMs = pollConnectTimeoutMs }: ChargerOptions) {
    const { origin, pathname } = new URL(url)
    this.#basePath = pathname.replace(/\/$/, '')
    this.#timeoutMs = timeoutMs
    this.#client = new Client(origin, {
      pipelining: 1,
      connect: { timeout: connectTimeoutMs },
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      maxResponseSize: chargerAnswerBytesMax
    })
  }

  /** The body of an answer with status 200, as text. Throws PollError. */
  async get({ path, call, accept, keyIsWrong, mayBeEmpty = false }: Request): Promise<string> {
    const abort = new AbortController()
    this.#running = abort
    let timedOut = false
    // Not AbortSignal.timeout: it cannot be cancelled, and would fire for polls that were answered long ago.
    const timer = setTimeout(() => {
      timedOut = true
      abort.abort()
    }, this.#timeoutMs)
    try {
      const { statusCode, headers, body } = await request.call(this.#client, {
        method: 'GET',
        path: this.#basePath + path,
        headers: { accept },
        // It is unknown whether a box keeps connections alive: a new connection per request is never stale.
        reset: true,
        signal: abort.signal
      })
      const bytes = Buffer.from(await body.arrayBuffer())
      checkStatus(statusCode, call, keyIsWrong)
      checkEncoding(headers['content-encoding'], call)
      return textOf(bytes, call, mayBeEmpty)
    } catch (error) {
      throw error instanceof PollError ? error : classify(error, call, timedOut)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Aborts a running request. */
  async close(): Promise<void> {
    this.#running?.abort()
    await this.#client.destroy()
  }
}

function checkStatus(status: number, call: string, keyIsWrong: string): void {
  if (status === 200) return
  const found = `${call}: expected status 200, found ${status}`
  if (status === 401 || status === 403) throw new PollError('forbidden', `${found}: ${keyIsWrong}`)
  throw new PollError(status >= 500 ? 'bad_answer' : 'wrong_api', found)
}

function checkEncoding(encoding: string | string[] | undefined, call: string): void {
  if (encoding === undefined || encoding === 'identity') return
  throw new PollError('bad_answer', `${call}: expected plain text, found the encoding ${encoding}`)
}

/** Ignores the content type: no published sample shows which one a box sends. */
function textOf(bytes: Buffer, call: string, mayBeEmpty: boolean): string {
  const text = bytes
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trim()
  if (text === '' && !mayBeEmpty) throw new PollError('bad_answer', `${call}: expected an answer, found an empty body`)
  if (text.startsWith('<')) throw new PollError('wrong_api', `${call}: expected no web page, found one`)
  return text
}

const refusals = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENOTFOUND', 'EAI_AGAIN'])
const timeouts = new Set(['ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])

function classify(error: unknown, call: string, timedOut: boolean): PollError {
  const { code = '', name, message } = error as NodeJS.ErrnoException
  // A parser error of undici has a name. Any other error without a code is a fault of this software.
  if (!timedOut && code === '' && name !== 'HTTPParserError') throw error
  if (timedOut || timeouts.has(code)) {
    return new PollError('timeout', `${call}: no complete answer in time`, { cause: error })
  }
  if (refusals.has(code)) return new PollError('refused', `${call}: no connection (${code})`, { cause: error })
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') {
    return new PollError('bad_answer', `${call}: expected at most ${chargerAnswerBytesMax} bytes, found more`)
  }
  return new PollError('bad_answer', `${call}: the answer broke off (${code || message})`, { cause: error })
}
