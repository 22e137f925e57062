// Reads the costs of processes from /proc: CPU by thread, CPU of the database (the postmaster and its children),
// resident memory, and written bytes. All readings count from the start of the process, so the caller takes
// differences. Linux only.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

const ticksPerSecond = 100

/** CPU time in ms, by the part that used it. */
export type CpuReading = Readonly<Record<string, number>>

interface Stat {
  readonly parent: number
  readonly ownMs: number
  /** The CPU time of children that have ended and that the process has waited for. */
  readonly childrenMs: number
}

/** Undefined for a process that has ended. */
function statOf(path: string): Stat | undefined {
  try {
    const text = readFileSync(path, 'utf8')
    const fields = text
      .slice(text.lastIndexOf(') ') + 2)
      .split(' ')
      .map(Number)
    const ms = (first: number): number => ((fields[first]! + fields[first + 1]!) * 1000) / ticksPerSecond
    return { parent: fields[1]!, ownMs: ms(11), childrenMs: ms(13) }
  } catch {
    return undefined
  }
}

export const cpuMsOf = (pid: number): number => statOf(`/proc/${pid}/stat`)?.ownMs ?? 0

// The threads of V8 and libuv. Every other thread runs the project's code.
const helperNames = /^(V8Worker|DelayedTask|libuv|SignalInspector|node$)/

export type NodeCpu = {
  readonly main: number
  readonly workers: number
  readonly helpers: number
}

/** The CPU of a server. The server is one process, or several processes that are the children of one process. */
export function serverCpuOf(pid: number): NodeCpu {
  const all = [pid, ...childrenOf(pid)].map(nodeCpuOf)
  const sumOf = (part: keyof NodeCpu): number => all.reduce((sum, cpu) => sum + cpu[part], 0)
  return { main: sumOf('main'), workers: sumOf('workers'), helpers: sumOf('helpers') }
}

export const serverRssBytesOf = (pid: number): number =>
  [pid, ...childrenOf(pid)].reduce((sum, one) => sum + rssBytesOf(one), 0)

const childrenOf = (pid: number): number[] =>
  listed('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(other => statOf(`/proc/${other}/stat`)?.parent === pid)

/**
 * The CPU of a Node process: its main thread, its worker threads, and the rest (garbage collection, compilation,
 * crypto, files).
 */
export function nodeCpuOf(pid: number): NodeCpu {
  const total = cpuMsOf(pid)
  let [main, workers] = [0, 0]
  for (const tid of listed(`/proc/${pid}/task`)) {
    const ms = statOf(`/proc/${pid}/task/${tid}/stat`)?.ownMs ?? 0
    if (Number(tid) === pid) main = ms
    else if (!helperNames.test(textOf(`/proc/${pid}/task/${tid}/comm`).trim())) workers += ms
  }
  return { main, workers, helpers: Math.max(0, total - main - workers) }
}

/** The CPU time of the postmaster, of its running children, and of its ended children. */
export function databaseCpuMs(postmaster: number): number {
  const own = statOf(`/proc/${postmaster}/stat`)
  let total = own === undefined ? 0 : own.ownMs + own.childrenMs
  for (const pid of listed('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const stat = statOf(`/proc/${pid}/stat`)
    if (stat?.parent === postmaster) total += stat.ownMs + stat.childrenMs
  }
  return total
}

/** The postmaster of a session. Undefined when the postmaster does not run on this machine. */
export function postmasterOf(backend: number): number | undefined {
  if (!/postgres/.test(textOf(`/proc/${backend}/comm`))) return undefined
  return statOf(`/proc/${backend}/stat`)?.parent
}

/** The busy time of all cores, in ms. */
export function machineBusyMs(): number {
  const fields = textOf('/proc/stat').split('\n')[0]!.trim().split(/\s+/).slice(1).map(Number)
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields
  return ((user + nice + system + irq + softirq + steal) * 1000) / ticksPerSecond
}

export const rssBytesOf = (pid: number): number => statusKb(pid, 'VmRSS') * 1024
export const peakRssBytesOf = (pid: number): number => statusKb(pid, 'VmHWM') * 1024
const statusKb = (pid: number, name: string): number =>
  Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(textOf(`/proc/${pid}/status`))?.[1] ?? 0)

/** The number of bytes that the process wrote to disk. */
export const writtenBytesOf = (pid: number): number =>
  Number(/^write_bytes: (\d+)/m.exec(textOf(`/proc/${pid}/io`))?.[1] ?? 0)

/** The process of this machine that listens on the TCP port. Undefined when there is none. */
export function listenerOf(port: number): number | undefined {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const lines = ['tcp', 'tcp6'].flatMap(name => textOf(`/proc/net/${name}`).split('\n'))
  const listening = '0A'
  const inodes = lines
    .map(line => line.trim().split(/\s+/))
    .filter(([, local, , state]) => state === listening && local?.endsWith(`:${hex}`))
    .map(fields => `socket:[${fields[9]}]`)
  return listed('/proc')
    .filter(pid => /^\d+$/.test(pid))
    .map(Number)
    .find(pid => listed(`/proc/${pid}/fd`).some(fd => inodes.includes(linkOf(`/proc/${pid}/fd/${fd}`))))
}

function listed(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
