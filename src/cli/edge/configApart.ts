// Reads the edge's configuration in another process, which then ends. The YAML parser and the schema would take a sixth
// of a running edge's memory, and the edge needs them only once. The configuration with its keys goes through a pipe
// and nowhere else.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import type { EdgeConfig } from '../../edge/config.ts'
import { Secret } from '../../edge/secret.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { canStartAgain, startOf } from '../process/self.ts'

/** The subcommand that the other process runs. Only the edge itself uses the subcommand, so no help names it. */
export const tellConfigName = 'tell-config'
const pipeFd = 3

interface Told {
  readonly config?: EdgeConfig
  readonly faults?: readonly ConfigFault[]
}

/** Throws ConfigError with all faults of the file. */
export async function readConfigApart(path: string): Promise<EdgeConfig> {
  if (!canStartAgain()) return (await import('../../edge/config.ts')).loadEdgeConfig(path)
  const { file, args } = startOf([], ['edge', tellConfigName, path])
  const child = spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit', 'pipe'] })
  const [json, [code]] = await Promise.all([
    text(child.stdio[pipeFd] as NodeJS.ReadableStream),
    once(child, 'close') as Promise<[number | null]>
  ])
  if (code !== 0) throw new Error(`expected to be told the configuration, found exit code ${code}`)
  const { config, faults } = JSON.parse(json, reviveSecret) as Told
  if (config === undefined) throw new ConfigError(faults ?? [])
  return config
}

/** Runs in the other process: reads the configuration and writes it, or its faults, into the pipe. */
export async function run([path = '']: readonly string[]): Promise<void> {
  const { loadEdgeConfig } = await import('../../edge/config.ts')
  const told = ((): Told => {
    try {
      return { config: loadEdgeConfig(path) }
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      return { faults: error.faults }
    }
  })()
  const bytes = Buffer.from(JSON.stringify(told, revealSecret))
  for (let sent = 0; sent < bytes.length; ) sent += writeSync(pipeFd, bytes, sent)
}

/**
 * When a replacer sees a Secret's value, the Secret's toJSON has already hidden the text. The replacer therefore takes
 * the Secret from the object that holds it.
 */
function revealSecret(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const original = this[key]
  return original instanceof Secret ? { secret: original.reveal() } : value
}

const reviveSecret = (_key: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'secret' in value && typeof value.secret === 'string'
    ? new Secret(value.secret)
    : value
