// Asks the HTTP API. Every fault is an AskError with the server's sentence. The answer 401 also sends the browser to
// the sign-in page.

import type { ApiError } from '../../model/api/api.ts'

export class AskError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export type Query = Readonly<Record<string, string | number | undefined>>

export function addressOf(path: string, query: Query = {}): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [[name, String(value)]]
  )
  const text = new URLSearchParams(given).toString()
  return text === '' ? path : `${path}?${text}`
}

/** Throws AskError, or the abort reason of the signal. */
export async function ask<Answer>(path: string, query: Query = {}, signal?: AbortSignal): Promise<Answer> {
  const response = await fetch(addressOf(path, query), {
    headers: { accept: 'application/json' },
    signal: signal ?? null
  }).catch(error => {
    throw signal?.aborted ? error : new AskError(0, 'The server does not answer.')
  })
  if (response.ok) return (await response.json()) as Answer
  throw await faultOf(response)
}

/** Reads all pages of a list and returns the items. Throws AskError, or the abort reason of the signal. */
export async function askAll<Answer extends { readonly next?: string }, Item>(
  path: string,
  query: Query,
  itemsOf: (answer: Answer) => readonly Item[],
  signal?: AbortSignal
): Promise<Item[]> {
  const items: Item[] = []
  for (let after: string | undefined; ; ) {
    const answer: Answer = await ask<Answer>(path, { ...query, after }, signal)
    for (const item of itemsOf(answer)) items.push(item)
    if (answer.next === undefined) return items
    after = answer.next
  }
}

export async function faultOf(response: Response): Promise<AskError> {
  if (response.status === 401) signIn()
  const { error, faults = [] } = (await response.json().catch(() => ({}))) as Partial<ApiError>
  const details = faults.map(({ parameter, expected, found }) => `${parameter}: expected ${expected}, found ${found}`)
  return new AskError(response.status, [error ?? `The server answered with ${response.status}.`, ...details].join(' '))
}

export const signIn = (): void => location.assign(addressOf('/sign-in', { next: location.pathname + location.search }))
