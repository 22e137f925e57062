// `chargelift edge`: runs the edge or one of its subcommands. Loads only the modules that the subcommand needs, because
// a Pi has little memory.

import { unknownCommand } from '../../model/commandLine.ts'
import { ConfigError } from '../../model/errors.ts'
import { tellConfigName } from './configApart.ts'
import { runHelp } from './help.ts'

interface Subcommand {
  readonly help: string
  readonly run: (args: readonly string[]) => Promise<void>
}

const subcommands: Readonly<Record<string, () => Promise<Subcommand>>> = {
  enroll: () => import('./enroll.ts'),
  probe: () => import('./probe.ts'),
  replay: () => import('./replay.ts')
}
/** Only the edge itself runs this subcommand, so no help names it. */
const tellConfig = async (): Promise<Subcommand> => ({ help: '', ...(await import('./configApart.ts')) })

/** `args` are the arguments after `edge`. Throws ConfigError with all faults of the command line or of the file. */
export async function run(args: readonly string[]): Promise<void> {
  const { run, rest } = await find(args)
  await run(rest)
}

export const help = async (args: readonly string[]): Promise<string> => (await find(args)).help

async function find(args: readonly string[]): Promise<Subcommand & { readonly rest: readonly string[] }> {
  const [name = '', ...rest] = args
  if (name === '' || name.startsWith('-')) return { help: runHelp, run: runEdge, rest: args }
  const load = name === tellConfigName ? tellConfig : Object.hasOwn(subcommands, name) ? subcommands[name] : undefined
  if (load === undefined) throw new ConfigError([unknownCommand('edge', Object.keys(subcommands), name)])
  return { ...(await load()), rest }
}

const runEdge = async (args: readonly string[]): Promise<void> => (await import('./run.ts')).runCommand(args)
