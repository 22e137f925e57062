// `chargelift edge replay --since T` sends acknowledged samples again, after the server's database was restored from a
// backup. The running edge owns the spool: the command leaves a request beside it, and the edge takes the request. A
// request is done whole; after a kill in between it is done again. The server stores samples that it already has only
// once.

import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { setImmediate as breathe, setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { ConfigError } from '../../model/errors.ts'
import { replayLookIntervalMs } from './limits.ts'
import type { Spool } from './spool.ts'

/**
 * Called by the command line. Asks the edge that owns the spool at `spoolPath` to send again all samples from
 * `sinceMs` (ms since the Unix epoch) on; the edge does so within a minute, or at its next start. Of two waiting
 * requests the earlier time counts; it is returned. Throws ConfigError if there is no spool or nothing can be written.
 */
export function requestReplay(spoolPath: string, sinceMs: number): number {
  if (!existsSync(spoolPath)) {
    throw fault('spool.path', 'the spool of an edge that has run here', `${spoolPath}: no such file`)
  }
  const { waiting } = filesOf(spoolPath)
  const since = Math.min(sinceMs, sinceOf(waiting) ?? sinceMs)
  try {
    writeWhole(waiting, `${JSON.stringify({ since: new Date(since).toISOString() })}\n`)
  } catch (cause) {
    throw fault('spool.path', 'a folder that can be written', `${waiting}: ${(cause as Error).message}`)
  }
  return since
}

export interface Replayed {
  readonly sinceMs: number
  /** Samples that are back in line. */
  readonly samples: number
}

type ReplaySpool = Pick<Spool, 'replayStep' | 'newestSeq'>

export interface ReplayRequests {
  readonly spool: ReplaySpool
  readonly spoolPath: string
  /** Samples are back in line: the connection must be made again, because its feed has passed them. */
  readonly onReplay: () => void
  readonly log: Logger
  readonly lookIntervalMs?: number
}

/** Called by the edge: takes a waiting request, now and once a minute, until the signal aborts. Never rejects. */
export async function takeReplayRequests(requests: ReplayRequests, signal: AbortSignal): Promise<void> {
  const { lookIntervalMs = replayLookIntervalMs } = requests
  while (!signal.aborted) {
    await takeAndLog(requests, signal)
    await delay(lookIntervalMs, undefined, { signal, ref: false }).catch(() => {})
  }
}

async function takeAndLog({ spool, spoolPath, onReplay, log }: ReplayRequests, signal: AbortSignal): Promise<void> {
  try {
    const replayed = await takeReplayRequest(spool, spoolPath)
    if (replayed === undefined) return
    const { sinceMs, samples } = replayed
    log.info(
      { event: 'replay', since: new Date(sinceMs).toISOString(), samples },
      'acknowledged samples are sent again'
    )
    if (samples > 0) onReplay()
  } catch (error) {
    if (!signal.aborted) log.error({ event: 'replay_failed', err: error }, 'the request for a replay was not done')
  }
}

/**
 * One call at a time. Puts the requested samples back in line, in bounded transactions between which polls continue,
 * and then removes the request. Returns undefined without a request. Rejects with ConfigError for a request that
 * cannot be read (it is removed). Rejects with RetryableError while the disk cannot be written, and when the spool was
 * closed meanwhile: then the request stays and is done again.
 */
export async function takeReplayRequest(spool: ReplaySpool, spoolPath: string): Promise<Replayed | undefined> {
  const { waiting, taken } = filesOf(spoolPath)
  // The new name marks it as taken: a request that comes meanwhile is another one.
  if (!existsSync(taken)) {
    if (!existsSync(waiting)) return undefined
    renameSync(waiting, taken)
  }
  const sinceMs = sinceOf(taken)
  if (sinceMs === undefined) {
    rmSync(taken, { force: true })
    throw fault(waiting, 'a request of `chargelift edge replay`', 'something else; it was removed')
  }
  const samples = await replay(spool, sinceMs)
  rmSync(taken, { force: true })
  return { sinceMs, samples }
}

async function replay(spool: ReplaySpool, sinceMs: number): Promise<number> {
  // Samples that are acknowledged from now on need no replay.
  const endSeq = spool.newestSeq
  let samples = 0
  for (let throughSeq: number | undefined = 0; throughSeq !== undefined && throughSeq < endSeq; await breathe()) {
    const step = spool.replayStep(sinceMs, throughSeq)
    samples += step.samples
    throughSeq = step.throughSeq
  }
  return samples
}

const filesOf = (spoolPath: string) => ({ waiting: `${spoolPath}.replay`, taken: `${spoolPath}.replay-taken` })

/** ms since the Unix epoch; undefined without a readable request. */
function sinceOf(file: string): number | undefined {
  if (!existsSync(file)) return undefined
  try {
    const { since } = JSON.parse(readFileSync(file, 'utf8')) as { since?: unknown }
    const sinceMs = typeof since === 'string' ? Date.parse(since) : Number.NaN
    return Number.isNaN(sinceMs) ? undefined : sinceMs
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined
    throw error
  }
}

/** Writes the file whole, or not at all. */
function writeWhole(path: string, text: string): void {
  const draft = `${path}-draft`
  const file = openSync(draft, 'w')
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(draft, path)
}

const fault = (path: string, expected: string, found: string): ConfigError =>
  new ConfigError([{ path, expected, found }])
