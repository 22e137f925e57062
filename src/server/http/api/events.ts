// GET /api/v1/events: what is new, as server-sent events, for as long as the caller may see it. The token is checked
// again every few seconds, because a stream lives long: when the token is revoked, the stream ends.

import { DeniedError } from '../../../model/errors.ts'
import { type Access, type Asked, may, unknown } from '../../access/access.ts'
import { mayReadCards } from '../../access/mask.ts'
import { liveListenersMax, liveUnsentBytesMax } from '../limits.ts'
import type { Listening, LiveFeed } from '../live/liveFeed.ts'
import { ApiFault, endpoint } from './endpoint.ts'
import { liveRecheckMs } from './limits.ts'
import { charger } from './parameters.ts'

export interface LiveParts {
  readonly feed: LiveFeed
  readonly access: Access
}

const headers = { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' }

export const events = endpoint({
  path: '/api/v1/events',
  needs: 'viewer',
  summary:
    'Server-sent events: reading, connection and status (arrays, the newest of each topic), ingest (figures, once a ' +
    'second), reset (load anew). A reconnect with Last-Event-ID goes on where it was.',
  parameters: { charger },
  answers: ['text/event-stream'],
  run({ feed, access }: LiveParts, { context, asked, caller, values: { charger } }): Response {
    if (context.req.method === 'HEAD') return context.body(null, 200, headers)
    if (feed.listeners >= liveListenersMax) {
      throw new ApiFault(503, { error: `expected at most ${liveListenersMax} streams of events, found more` })
    }
    let listening: Listening
    let recheck: NodeJS.Timeout
    let isOpen = true
    const stop = (): void => {
      isOpen = false
      clearInterval(recheck)
      listening.close()
    }
    const end = (controller: ReadableStreamDefaultController): void => {
      if (isOpen) controller.close()
      stop()
    }
    const stream = new ReadableStream<Uint8Array>(
      {
        start(controller) {
          listening = feed.listen({
            mayReadCards: mayReadCards(caller),
            charger,
            lastEventId: context.req.header('last-event-id'),
            send: bytes => {
              controller.enqueue(bytes)
              return controller.desiredSize! > 0
            },
            end: () => end(controller)
          })
          recheck = setInterval(async () => {
            if (!(await isStillAllowed(access, asked, listening))) end(controller)
          }, liveRecheckMs).unref()
        },
        pull: () => listening.drained(),
        cancel: stop
      },
      { highWaterMark: liveUnsentBytesMax, size: bytes => bytes!.byteLength }
    )
    return context.body(stream, 200, headers)
  }
})

async function isStillAllowed(access: Access, asked: Asked, listening: Listening): Promise<boolean> {
  const who = await access.identify(asked)
  if (who === unknown) return true
  if (who instanceof DeniedError || !may(who, 'viewer')) return false
  listening.mayReadCards(mayReadCards(who))
  return true
}
