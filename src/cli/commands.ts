// The commands of the program. A command's modules are loaded only when the command is used, so that an edge does not
// load the server.

import { readCommandLine, unknownCommand } from '../model/commandLine.ts'
import { ConfigError, type ConfigFault } from '../model/errors.ts'

interface Command {
  /** The help for `args`, which contain --help. Throws ConfigError when they name an unknown command. */
  help(args: readonly string[]): string | Promise<string>
  /** Throws ConfigError with all faults. */
  run(args: readonly string[]): Promise<void>
}

interface Listed {
  readonly summary: string
  readonly load: () => Promise<Command>
}

const commands: Readonly<Record<string, Listed>> = {
  server: {
    summary: 'run the cloud server: it receives readings over MQTT and stores them',
    load: () => import('./server/server.ts')
  },
  edge: {
    summary: 'run the edge beside the chargers; also: enroll, probe, replay',
    load: () => import('./edge/edge.ts')
  },
  certs: {
    summary: 'certificates: init, issue, sign, bundle, renew, revoke, list',
    load: () => import('./certs/certs.ts')
  },
  rejected: { summary: 'messages that were rejected: list, replay', load: () => import('./rejected/rejected.ts') },
  tokens: { summary: 'tokens for the HTTP port: add, list, revoke', load: () => import('./tokens/tokens.ts') },
  db: { summary: 'the database: status, migrate', load: () => import('./db/db.ts') },
  import: {
    summary: 'read CSV files of: sites, chargers, tariffs, cards',
    load: () => import('./import/import.ts')
  },
  month: { summary: 'months for cost allocation: close, list, show', load: () => import('./month/month.ts') },
  top: {
    summary: 'watch a server: its throughput, and the problems of its chargers',
    load: () => import('./watch/top.ts')
  },
  tail: {
    summary: 'watch the values of all chargers, or of one, as they are stored',
    load: () => import('./watch/tail.ts')
  },
  export: {
    summary: 'write CSV or JSON of: sessions, readings, energy, month',
    load: () => import('./export/export.ts')
  },
  demo: {
    summary: 'run everything on this machine, with simulated chargers',
    load: () => import('./demo/demo.ts')
  }
}

const nameWidth = Math.max(...Object.keys(commands).map(({ length }) => length))

export const usage = (): string => `Usage: chargelift COMMAND [flags]

${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(nameWidth)} ${summary}`)
  .join('\n')}

"chargelift COMMAND --help" explains a command. --version prints the version, --licenses the
licences of everything inside.

Example: chargelift demo
`

const flags = { help: { type: 'boolean' }, version: { type: 'boolean' }, licenses: { type: 'boolean' } } as const

/** `name` is the first argument. Throws ConfigError for an unknown command or flag. */
export async function commandOf(name: string): Promise<Command> {
  if (Object.hasOwn(commands, name)) return commands[name]!.load()
  const faults: ConfigFault[] = []
  const { words } = readCommandLine('', [name], flags, faults)
  if (words.length > 0) faults.push(unknownCommand('', Object.keys(commands), name))
  throw new ConfigError(faults)
}
