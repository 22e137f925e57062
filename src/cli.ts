// The one entry. Finds the command, prints its help, and turns a ConfigError into its faults and exit code 78.
// Loads only the command that is asked for.

import { isBinary, readAssetText, readVersion } from './model/assets.ts'
import { ConfigError, configErrorOf, exitCodeConfig } from './model/errors.ts'

interface Command {
  readonly summary: string
  readonly load: () => Promise<{
    help: (args: readonly string[]) => string | Promise<string>
    run: (args: readonly string[]) => Promise<void>
  }>
}

const commands: Record<string, Command> = {
  server: {
    summary: 'the cloud server: MQTT in, rows out',
    load: async () => {
      const { serverCommand, serverHelp } = await import('./cli/server/server.ts')
      return { help: serverHelp, run: serverCommand }
    }
  },
  edge: {
    summary: 'the edge module beside the chargers',
    load: async () => {
      const { edgeCommand, edgeHelp } = await import('./cli/edge/edge.ts')
      return { help: edgeHelp, run: edgeCommand }
    }
  },
  certs: {
    summary: 'certificates: init, issue, sign, bundle, renew, revoke, list',
    load: async () => {
      const { certsCommand, certsHelp } = await import('./cli/certs/certs.ts')
      return { help: () => certsHelp, run: certsCommand }
    }
  },
  rejected: {
    summary: 'messages that were rejected: list, replay',
    load: async () => {
      const { rejectedCommand, rejectedHelp } = await import('./cli/rejected/rejected.ts')
      return { help: () => rejectedHelp, run: rejectedCommand }
    }
  },
  tokens: {
    summary: 'who may use the HTTP port: add, list, revoke',
    load: async () => {
      const { tokensCommand, tokensHelp } = await import('./cli/tokens/tokens.ts')
      return { help: () => tokensHelp, run: tokensCommand }
    }
  },
  db: {
    summary: 'the database: status, migrate',
    load: async () => {
      const { dbCommand, dbHelp } = await import('./cli/db/db.ts')
      return { help: () => dbHelp, run: dbCommand }
    }
  },
  import: {
    summary: 'sites, chargers, tariffs and cards from CSV files',
    load: async () => {
      const { importCommand, importHelp } = await import('./cli/import/import.ts')
      return { help: () => importHelp, run: importCommand }
    }
  },
  month: {
    summary: 'months for cost allocation: close, list, show',
    load: async () => {
      const { monthCommand, monthHelp } = await import('./cli/month/month.ts')
      return { help: () => monthHelp, run: monthCommand }
    }
  },
  top: {
    summary: 'what a server takes in and stores, and what is wrong with its chargers: a live view',
    load: async () => {
      const { topCommand, topHelp } = await import('./cli/watch/top.ts')
      return { help: () => topHelp, run: topCommand }
    }
  },
  tail: {
    summary: 'the values of all chargers, or of one, as they are stored',
    load: async () => {
      const { tailCommand, tailHelp } = await import('./cli/watch/tail.ts')
      return { help: () => tailHelp, run: tailCommand }
    }
  },
  export: {
    summary: 'sessions, readings, energy or closed months as CSV or JSON',
    load: async () => {
      const { exportCommand, exportHelp } = await import('./cli/export/export.ts')
      return { help: () => exportHelp, run: exportCommand }
    }
  },
  demo: {
    summary: 'everything on one machine, with a simulated charger',
    load: async () => {
      const { demoCommand, demoHelp } = await import('./cli/demo/demo.ts')
      return { help: demoHelp, run: demoCommand }
    }
  }
}

const usage = (): string => `Usage: chargelift COMMAND [flags]

${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`)
  .join('\n')}

  --help with any command tells more; --version prints the version, --licenses those of everything inside.
`

/** A binary says of which commit it is, too. */
const version = (): string => readVersion() + (isBinary ? ` (commit ${readAssetText('commit.txt')})` : '')

/** A binary holds other people's work; a source checkout has their licences beside their packages. */
const licences = (): string =>
  isBinary
    ? readAssetText('licenses.txt')
    : `${readAssetText('LICENSE')}\nThose of the packages lie beside them, in node_modules.\n`

async function main([name, ...args]: readonly string[]): Promise<void> {
  if (name === '--version' || name === '-v') return print(`${version()}\n`)
  if (name === '--licenses') return print(licences())
  if (name === undefined || name === '--help' || name === '-h') return print(usage())
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) {
    const expected = `one of ${Object.keys(commands).join(', ')}`
    throw new ConfigError([{ path: 'command', expected, found: name }])
  }
  const { help, run } = await command.load()
  if (args.includes('--help') || args.includes('-h')) return print(await help(args))
  await run(args)
}

function print(text: string): void {
  process.stdout.write(text)
}

// No await at the top: the binary's bundle is CommonJS.
main(process.argv.slice(2)).catch(error => {
  if (configErrorOf(error) === undefined) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = exitCodeConfig
})
