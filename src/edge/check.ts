// Tries the whole way of an edge once, for the person who has just installed it: certificates, clock, spool, broker,
// charger, one poll, and the acknowledgement of that poll. For each step it says how it went and, after a failure,
// what to do. It disturbs nothing: it has its own client id, only looks at the spool, and changes neither lifetime
// energy nor a current value (see `publishable`). A failed step does not prevent later steps.

import { X509Certificate } from 'node:crypto'
import { accessSync, constants, existsSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Logger } from 'pino'
import { isoDay } from '../model/isoDay.ts'
import type { ChargerValues } from '../model/wire/chargerState.ts'
import { encodeEnvelope } from '../model/wire/envelope.ts'
import { topicOf } from '../model/wire/topics.ts'
import type { Sample } from './chargers/charger.ts'
import { pollOf } from './chargers/probe.ts'
import { CheckLine, type Lost } from './checkLine.ts'
import type { ChargerConfig, EdgeConfig } from './config.ts'
import { certificateNoteMs, checkAckTimeoutMs } from './limits.ts'
import type { Clock } from './time/clock.ts'
import { askKernel, EdgeTime, systemClock } from './time/clock.ts'
import { clockOffsetMsMax } from './time/limits.ts'
import type { Message } from './uplink/feed.ts'
import { whatToDo } from './uplink/reasons.ts'
import { acceptsEarly } from './uplink/serverCheck.ts'

export interface Step {
  readonly name: 'config' | 'certificate' | 'clock' | 'spool' | 'broker' | 'charger' | 'store'
  /** `note`: it works, but something is odd. */
  readonly outcome: 'ok' | 'note' | 'fail' | 'skip'
  /** The finding, in one line. */
  readonly found: string
  /** One sentence, unless the outcome is ok. */
  readonly whatToDo?: string
  /** The values of a poll. */
  readonly values?: Readonly<Partial<ChargerValues>>
}

export interface CheckParts {
  /** A silent log: the steps say everything. */
  readonly log: Logger
  readonly clock?: Clock
  readonly kernel?: () => Promise<boolean | undefined>
  /** ms until a missing acknowledgement is a failure. */
  readonly ackTimeoutMs?: number
}

/** Yields each step as soon as it is done. */
export async function* check(config: EdgeConfig, parts: CheckParts): AsyncGenerator<Step> {
  const { log, clock = systemClock, kernel = askKernel, ackTimeoutMs = checkAckTimeoutMs } = parts
  yield* configSteps(config)
  yield certificateStep(config, clock.nowMs())
  const time = new EdgeTime({ clock, kernel, log })
  await time.start()
  yield clockStep(time)
  const spool = lookAtSpool(config.spool)
  yield spool.step
  const line = await CheckLine.open(config, acceptsEarly(config.broker.host, config.tls.ca, time))
  try {
    yield line instanceof CheckLine ? await brokerStep(line, config, time) : lostStep(line, config)
    for (const charger of config.chargers) {
      const { step, sample } = await chargerStep(charger, clock)
      yield step
      const isRunning = spool.isInUse || (line instanceof CheckLine && line.isOnline(charger.name))
      yield sample === undefined || !(line instanceof CheckLine)
        ? { name: 'store', outcome: 'skip', found: `${charger.name}: nothing was published, see above` }
        : await storeStep(line, charger.name, sample, time, isRunning, ackTimeoutMs)
    }
  } finally {
    time.stop()
    if (line instanceof CheckLine) await line.close()
  }
}

function* configSteps({ chargers, warnings }: EdgeConfig): Generator<Step> {
  const names = chargers.map(({ name }) => name).join(', ')
  yield { name: 'config', outcome: 'ok', found: `${chargers.length === 1 ? 'charger' : 'chargers'} ${names}` }
  for (const { path, expected, found } of warnings) {
    yield { name: 'config', outcome: 'note', found: `${path}: ${found}`, whatToDo: `better is ${expected}.` }
  }
}

/** What is expired is a fault of the configuration and does not come here. */
function certificateStep({ tls, identity, certificateEndsMs }: EdgeConfig, nowMs: number): Step {
  const authorityEndsMs = new X509Certificate(tls.ca).validToDate.getTime()
  const until = (ms: number) => `${isoDay(ms)} (${Math.floor((ms - nowMs) / 86_400_000)} days)`
  const found = `${identity}, valid until ${until(certificateEndsMs)}; its authority until ${until(authorityEndsMs)}`
  if (Math.min(certificateEndsMs, authorityEndsMs) - nowMs > certificateNoteMs) return ok('certificate', found)
  const todo = `Soon it ends: make a new one with chargelift certs renew ${identity}, and copy it here.`
  return { name: 'certificate', outcome: 'note', found, whatToDo: todo }
}

function clockStep(time: EdgeTime): Step {
  const nowMs = time.now()
  if (nowMs === undefined) {
    const found = `${new Date().toISOString()}: ${time.state === 'unset' ? 'was never set' : 'not synchronised'}`
    return { name: 'clock', outcome: 'note', found, whatToDo: "The edge goes by the server's time until NTP works." }
  }
  const known =
    time.state === 'synchronised' ? 'synchronised by NTP' : 'nobody on this machine says whether it is right'
  return ok('clock', `${new Date(nowMs).toISOString()}, ${known}`)
}

const sqliteBusy = 5

/** Reads the file if it exists. Its lock is too short to delay a starting edge. */
function lookAtSpool({ path, maxBytes }: EdgeConfig['spool']): { step: Step; isInUse: boolean } {
  const folder = dirname(path)
  try {
    accessSync(existsSync(path) ? path : existingParent(folder), constants.W_OK)
    const { bavail, bsize } = statfsSync(existingParent(folder))
    const isInUse = existsSync(path) && isLocked(path)
    const found = `${path}, ${isInUse ? 'in use by a running edge' : existsSync(path) ? 'not in use' : 'not there yet'}`
    const freeBytes = bavail * bsize
    if (freeBytes > maxBytes) return { step: ok('spool', found), isInUse }
    const bound = `spool.maxBytes (${mebibytes(maxBytes)} MB)`
    const todo = `Only ${mebibytes(freeBytes)} MB are free: make room, or lower ${bound}.`
    return { step: { name: 'spool', outcome: 'note', found, whatToDo: todo }, isInUse }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const todo = `The user that runs the edge must be able to write there: change the owner, or spool.path.`
    return { step: fail('spool', `${path}: ${code ?? message}`, todo), isInUse: false }
  }
}

function isLocked(path: string): boolean {
  try {
    const db = new DatabaseSync(path, { readOnly: true, timeout: 0 })
    try {
      db.prepare('PRAGMA schema_version').get()
    } finally {
      db.close()
    }
    return false
  } catch (error) {
    // Other faults of the file are repaired by the edge.
    return ((error as { errcode?: number }).errcode ?? 0) % 256 === sqliteBusy
  }
}

const existingParent = (folder: string): string => (existsSync(folder) ? folder : existingParent(dirname(folder)))

async function brokerStep(line: CheckLine, config: EdgeConfig, time: EdgeTime): Promise<Step> {
  const names = config.chargers.map(({ name }) => name)
  const answer = await line.listen(names, config.certifiedChargers[0] ?? config.identity)
  const attempt = line.attempt > 1 ? ' at the second attempt' : ''
  const connected = `${addressOf(config)}, connected in ${line.connectMs} ms${attempt}`
  if (answer === 'refused') {
    const todo =
      'The server does not let this certificate read its own chargers: is it the right server and certificate?'
    return fail('broker', `${connected}, subscription refused`, todo)
  }
  if (answer === 'silent') return ok('broker', `${connected}; the server does not tell its time`)
  time.serverSays(answer.serverMs, answer.roundTripMs)
  const offsetMs = Math.round(Date.now() - answer.serverMs - answer.roundTripMs / 2)
  const offset = `clocks differ by ${(Math.abs(offsetMs) / 1000).toFixed(1)} s`
  const found = `${connected}, answers in ${Math.round(answer.roundTripMs)} ms, ${offset}`
  if (Math.abs(offsetMs) <= clockOffsetMsMax) return ok('broker', found)
  const todo = "Set this machine's clock, or the server's: until then the edge goes by the server's."
  return { name: 'broker', outcome: 'note', found, whatToDo: todo }
}

function lostStep({ reason, attempt }: Lost, config: EdgeConfig): Step {
  const todo = whatToDo(reason) ?? 'See the log of the server for this address.'
  return fail('broker', `${addressOf(config)}: ${reason}${attempt > 1 ? ' (twice)' : ''}`, sentence(todo))
}

async function chargerStep(config: ChargerConfig, clock: Clock): Promise<{ step: Step; sample?: Sample }> {
  const startedMs = performance.now()
  const { name, url } = config
  const { outcome, meaning, sample } = await pollOf(config, clock)
  const where = `${name} at ${url}`
  if (sample === undefined) {
    const todo = `${sentence(meaning)} More: chargelift edge probe ${new URL(url).hostname}`
    return { step: fail('charger', `${where}: ${outcome}`, todo) }
  }
  const { model, serial } = sample.device ?? {}
  const about = [model && `model ${model}`, serial && `serial ${serial}`].filter(Boolean).join(', ')
  const found = `${where} ${meaning} in ${Math.round(performance.now() - startedMs)} ms${about && ` (${about})`}`
  const { implausible, values } = sample
  if (implausible.length === 0) return { step: { ...ok('charger', found), values }, sample }
  const todo = `The charger has impossible values, which are left out: ${implausible.join(', ')}.`
  return { step: { name: 'charger', outcome: 'note', found, whatToDo: todo, values }, sample }
}

async function storeStep(
  line: CheckLine,
  charger: string,
  sample: Sample,
  time: EdgeTime,
  isRunning: boolean,
  ackTimeoutMs: number
): Promise<Step> {
  const timeMs = time.at(sample.arrivedMonotonicMs)
  if (timeMs === undefined) {
    return fail(
      'store',
      `${charger}: nothing was published`,
      'The time is not known, here or from the server: set the clock.'
    )
  }
  const messages = messagesOf(charger, timeMs, publishable(sample.values, line.valuesOf(charger), isRunning))
  const { ackMs, isCurrent, lost } = await line.publish(messages, ackTimeoutMs)
  if (ackMs === undefined) {
    const todo = lost
      ? sentence(whatToDo(lost) ?? 'The connection broke: try again, and nearer to the access point.')
      : 'The server holds it and cannot store it: is its database away (/readyz of the server tells)?'
    return fail('store', `${charger}: no acknowledgement${lost ? ` (${lost})` : ` in ${ackTimeoutMs / 1000} s`}`, todo)
  }
  const count = `${messages.length} ${messages.length === 1 ? 'value' : 'values'}`
  if (isCurrent) return ok('store', `${charger}: stored in ${ackMs} ms (${count})`)
  const list = `chargelift rejected list --charger ${charger}`
  const todo = `The server accepted it and does not show it: ${list} (on the server) says why.`
  return fail('store', `${charger}: acknowledged in ${ackMs} ms, but not current`, todo)
}

/**
 * What may be published beside a running edge. That edge publishes a value only when it changes, and would not correct
 * ours. So only values that the server already has are published, or, without any, the state alone: if it changes
 * right now, the heartbeat of the edge corrects it. Without a running edge all values are published. Lifetime energy
 * never is: the edge adds it up.
 */
export function publishable(
  { TotalEnergyConsumption: _, ...values }: Readonly<Partial<ChargerValues>>,
  known: ReadonlyMap<string, unknown>,
  isRunning: boolean
): Partial<ChargerValues> {
  if (!isRunning) return values
  const same = Object.entries(values).filter(([name, value]) => known.get(name) === value)
  return same.length > 0 ? Object.fromEntries(same) : { OperationState: values.OperationState ?? 'unknown' }
}

/** A time between two milliseconds, where no edge has a sample: two values of one moment would be a conflict. */
function messagesOf(charger: string, timeMs: number, values: Partial<ChargerValues>): Message[] {
  const timeUs = Math.floor(timeMs) * 1000 + 1 + Math.floor(Math.random() * 999)
  return Object.entries(values).map(([name, value]) => ({
    topic: topicOf(charger, name),
    payload: encodeEnvelope({ timeUs, value })
  }))
}

const ok = (name: Step['name'], found: string): Step => ({ name, outcome: 'ok', found })
const fail = (name: Step['name'], found: string, whatToDo: string): Step => ({ name, outcome: 'fail', found, whatToDo })
const addressOf = ({ broker }: EdgeConfig): string => `mqtts://${broker.host}:${broker.port}`
const mebibytes = (bytes: number): number => Math.floor(bytes / 1024 / 1024)
const sentence = (text: string): string => `${text[0]!.toUpperCase()}${text.slice(1)}${/[.?!]$/.test(text) ? '' : '.'}`
