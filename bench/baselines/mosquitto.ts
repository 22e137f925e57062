// Runs Debian's Mosquitto with the tutorial's settings: mutual TLS, the certificate's name as the user, and
// persistence. Three settings favour Mosquitto: it drops no message that waits for the subscriber, it may have any
// number of messages in flight to the subscriber, and TCP delays none of its answers.

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { delimiter, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../src/server/ports.ts'
import { cpuMsOf, rssBytesOf } from '../rig/processes.ts'
import { folder } from '../scenarios/scenario.ts'

export interface Mosquitto {
  readonly port: number
  readonly dir: string
  cpuMs(): number
  rssBytes(): number
  stop(): Promise<void>
}

const startTimeoutMs = 10_000

/** Finds the program. Debian installs Mosquitto in a folder outside an ordinary user's PATH. */
function findMosquitto(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders.map(path => join(path, 'mosquitto')).find(path => existsSync(path))
}

export const mosquittoMissing = (): string | undefined =>
  findMosquitto() === undefined ? 'Mosquitto is not installed: apt-get install -y mosquitto' : undefined

let started = 0

export async function startMosquitto(certs: string): Promise<Mosquitto> {
  const dir = resolve(folder, `mosquitto-${process.pid}-${started++}`)
  const port = await freePort()
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'mosquitto.conf'), config(port, dir, resolve(certs)))
  const child = spawn(findMosquitto()!, ['-c', join(dir, 'mosquitto.conf')], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr!.on('data', chunk => {
    said = (said + chunk).slice(-2_000)
  })
  const ended = new Promise(resolve => child.once('close', resolve))
  await untilItListens(child, port, () => said)
  return {
    port,
    dir,
    cpuMs: () => cpuMsOf(child.pid!),
    rssBytes: () => rssBytesOf(child.pid!),
    async stop() {
      child.kill('SIGTERM')
      await ended
      rmSync(dir, { recursive: true, force: true })
    }
  }
}

const config = (port: number, dir: string, certs: string): string => `
${process.getuid?.() === 0 ? 'user root' : ''}
listener ${port} 127.0.0.1
cafile ${certs}/ca.pem
certfile ${certs}/server.pem
keyfile ${certs}/server.key
require_certificate true
use_identity_as_username true
allow_anonymous false
persistence true
persistence_location ${dir}/
log_type error
max_queued_messages 0
max_inflight_messages 0
set_tcp_nodelay true
`

async function untilItListens(child: ChildProcess, port: number, said: () => string): Promise<void> {
  for (const deadline = Date.now() + startTimeoutMs; ; await sleep(50)) {
    const answers = await new Promise<boolean>(resolve => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy()
        resolve(true)
      }).on('error', () => resolve(false))
    })
    if (answers) return
    if (child.exitCode !== null || Date.now() > deadline)
      throw new Error(`expected Mosquitto to listen, found: ${said()}`)
  }
}
