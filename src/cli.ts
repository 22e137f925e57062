// The entry of the program. Runs a command or prints its help. A ConfigError becomes its faults and exit code 78.

import { commandOf, usage } from './cli/commands.ts'
import { isBinary, readAssetText, readVersion } from './model/assets.ts'
import { configErrorOf, exitCodeConfig } from './model/errors.ts'

/** A binary also names its commit. */
const version = (): string => readVersion() + (isBinary ? ` (commit ${readAssetText('commit.txt')})` : '')

/** A binary contains the packages, and so prints their licences; a source checkout has them in its folders. */
const licences = (): string =>
  isBinary
    ? readAssetText('licenses.txt')
    : `${readAssetText('LICENSE')}\nThe licences of the packages are in their folders, in node_modules.\n`

async function main([name, ...args]: readonly string[]): Promise<void> {
  if (name === '--version' || name === '-v') return print(`${version()}\n`)
  if (name === '--licenses') return print(licences())
  if (name === undefined || name === '--help' || name === '-h') return print(usage())
  const { help, run } = await commandOf(name)
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
