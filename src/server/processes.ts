// One server of several processes on one host. They share the ports (node:cluster gives them connections in turn) and
// are one broker to their clients through Redis. The primary, this process, does no work of a server: it starts the
// processes, restarts one that died, passes on what they ask each other, and owns the embedded database.

import cluster, { type Worker } from 'node:cluster'
import type { Logger } from 'pino'
import { atMost } from '../model/atMost.ts'
import { ConfigError, exitCodeConfig } from '../model/errors.ts'
import { Lifetime } from '../model/lifetime.ts'
import type { ServerConfig } from './config.ts'
import { stopLeastMs, stopTotalMs } from './limits.ts'
import type { Message, Question } from './peers/processLink.ts'
import { openPort, probePort } from './ports.ts'
import { type ProcessPart, processPartName } from './processPart.ts'
import { openDatabase } from './stages/database.ts'

export interface RunningProcesses {
  reload(): void
  /** Idempotent. True when everything admitted was stored and acknowledged in time. */
  stop(): Promise<boolean>
}

/** How a process is started: as the single binary, or as Node with a source file. */
export interface ForkOf {
  readonly exec: string
  readonly args: readonly string[]
  readonly execArgv: readonly string[]
}

const answerMs = 3_000
const restartMs = 1_000
const restartMaxMs = 10_000
/** A process that lived this long did not die of its start. */
const livedMs = 60_000

/**
 * Resolves when all processes listen. Throws ConfigError. A process that finds a configuration fault has printed it
 * already.
 */
export async function startProcesses(
  config: ServerConfig,
  log: Logger,
  abort: AbortSignal,
  fork: ForkOf
): Promise<RunningProcesses> {
  const lifetime = new Lifetime({ totalMs: config.drainMs + 2 * stopTotalMs, leastMs: stopLeastMs })
  try {
    const mqttPorts: number[] = []
    for (const port of config.mqttPorts) {
      mqttPorts.push(await openPort('--mqtt-port', port, () => probePort(config.mqttHost, port)))
    }
    const httpPort = await openPort('--http-port', config.httpPort, () => probePort(config.httpHost, config.httpPort))
    const { databaseUrl } = await openDatabase({ config, log, lifetime, abort })
    cluster.setupPrimary({ exec: fork.exec, args: [...fork.args], execArgv: [...fork.execArgv] })
    const crew = new Crew(config, log, { mqttPorts, httpPort, databaseUrl })
    lifetime.owns(() => crew.stop())
    await crew.start(abort)
    log.info(
      { event: 'listening', mqttPort: mqttPorts[0], mqttPorts, httpPort, processes: config.processes },
      'listening'
    )
    return {
      reload: () => crew.tell({ kind: 'reload' }),
      stop: async () => {
        await lifetime.close()
        return crew.clean
      }
    }
  } catch (error) {
    return await lifetime.fail(error)
  }
}

interface Place {
  readonly number: number
  worker: Worker | undefined
  startedMs: number
  pauseMs: number
  isListening: boolean
}

interface Gathering {
  readonly asker: Worker
  readonly id: number
  readonly bodies: unknown[]
  missing: number
  readonly timer: NodeJS.Timeout
}

class Crew {
  /** Every process has ended with 0. */
  clean = true
  readonly #config: ServerConfig
  readonly #log: Logger
  readonly #shared: Omit<ProcessPart, 'number' | 'of'>
  readonly #places: readonly Place[]
  readonly #gatherings = new Map<string, Gathering>()
  #isStopping = false
  #changed = (): void => {}
  #fault: ConfigError | undefined

  constructor(config: ServerConfig, log: Logger, shared: Omit<ProcessPart, 'number' | 'of'>) {
    this.#config = config
    this.#log = log
    this.#shared = shared
    this.#places = Array.from({ length: config.processes }, (_, i) => ({
      number: i + 1,
      worker: undefined,
      startedMs: 0,
      pauseMs: restartMs,
      isListening: false
    }))
  }

  async start(abort: AbortSignal): Promise<void> {
    for (const place of this.#places) this.#fork(place)
    abort.addEventListener('abort', () => this.#changed())
    await this.#until(() => this.#places.every(({ isListening }) => isListening) || abort.aborted)
    if (this.#fault) throw this.#fault
    abort.throwIfAborted()
  }

  tell(message: Message): void {
    for (const { worker } of this.#places) if (worker?.isConnected()) worker.send(message)
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    this.tell({ kind: 'stop' })
    const ended = this.#until(() => this.#places.every(({ worker }) => worker === undefined))
    const timeoutMs = this.#config.drainMs + stopTotalMs + 2_000
    await atMost(timeoutMs, ended)
    for (const { worker } of this.#places) worker?.process.kill('SIGKILL')
  }

  #fork(place: Place): void {
    const part: ProcessPart = { number: place.number, of: this.#config.processes, ...this.#shared }
    const worker = cluster.fork({ [processPartName]: JSON.stringify(part) })
    place.worker = worker
    place.startedMs = performance.now()
    worker.on('message', (message: Message) => this.#take(place, worker, message))
    worker.on('error', () => {}) // the process ended while a message was sent to it
    worker.on('exit', (code, signal) => this.#ended(place, code, signal))
  }

  #ended(place: Place, code: number | null, signal: string | null): void {
    const wasUp = place.isListening
    place.worker = undefined
    place.isListening = false
    if (code !== 0) this.clean = false
    for (const [id, gathering] of this.#gatherings)
      if (gathering.bodies[place.number - 1] === null) this.#answer(id, place, null)
    if (!this.#isStopping) {
      this.#log.error(
        { event: 'process_died', process: place.number, code, signal },
        'a process died, starting it again'
      )
      if (code === exitCodeConfig && !wasUp) {
        this.#fault = new ConfigError([
          { path: `process ${place.number}`, expected: 'a start', found: 'the fault above' }
        ])
      } else this.#forkLater(place)
      this.clean = true
    }
    this.#changed()
  }

  #forkLater(place: Place): void {
    if (performance.now() - place.startedMs > livedMs) place.pauseMs = restartMs
    setTimeout(() => {
      if (!this.#isStopping) this.#fork(place)
    }, place.pauseMs)
    place.pauseMs = Math.min(place.pauseMs * 2, restartMaxMs)
  }

  #until(isDone: () => boolean): Promise<void> {
    return new Promise(resolve => {
      this.#changed = () => {
        if (isDone() || this.#fault) resolve()
      }
      this.#changed()
    })
  }

  // --- What the processes ask each other.

  #take(place: Place, worker: Worker, message: Message): void {
    if (message.kind === 'listening') {
      place.isListening = true
      this.#changed()
    } else if (message.kind === 'ask') this.#gather(`${worker.id}:${message.id}`, worker, message.id, message.what)
    else if (message.kind === 'answer') this.#answer(message.id, place, message.body)
  }

  #gather(key: string, asker: Worker, id: number, what: Question): void {
    const timer = setTimeout(() => this.#finish(key), answerMs)
    const asked = this.#places.filter(({ worker }) => worker?.isConnected())
    const bodies = this.#places.map(() => null)
    this.#gatherings.set(key, { asker, id, bodies, missing: asked.length, timer })
    for (const { worker } of asked) worker!.send({ kind: 'question', id: key, what } satisfies Message)
  }

  #answer(key: string, { number }: Place, body: unknown): void {
    const gathering = this.#gatherings.get(key)
    if (gathering === undefined) return
    gathering.bodies[number - 1] = body
    if (--gathering.missing === 0) this.#finish(key)
  }

  #finish(key: string): void {
    const { asker, id, bodies, timer } = this.#gatherings.get(key)!
    clearTimeout(timer)
    this.#gatherings.delete(key)
    if (asker.isConnected()) asker.send({ kind: 'answers', id, bodies } satisfies Message)
  }
}
