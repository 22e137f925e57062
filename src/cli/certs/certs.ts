// `chargelift certs`: makes the PKI of a fleet and the certificates of its devices; renews, revokes and lists them.
// Each command reads its arguments, calls pki/, and prints what it wrote and what to do next. No command prints a key.

import { unknownCommand } from '../../model/commandLine.ts'
import { ConfigError } from '../../model/errors.ts'
import { helpOf } from '../shared/noun.ts'
import { print } from './args.ts'
import { bundleCommand } from './bundle.ts'
import { certsHelp } from './help.ts'
import { initCommand } from './init.ts'
import { issueCommand } from './issue.ts'
import { listCommand } from './list.ts'
import { renewCommand } from './renew.ts'
import { revokeCommand } from './revoke.ts'
import { signCommand } from './sign.ts'

const commands: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  init: initCommand,
  issue: issueCommand,
  sign: signCommand,
  bundle: bundleCommand,
  renew: renewCommand,
  revoke: revokeCommand,
  list: listCommand
}

export const help = ([name = '', ...rest]: readonly string[]): string =>
  name === 'help' ? certsHelp.overview : helpOf('certs', certsHelp, [name, ...rest])

/** `args` are the arguments after `certs`. Prints to standard output. Throws ConfigError with all faults. */
export async function run(args: readonly string[]): Promise<void> {
  const [name = '', ...rest] = args
  if (name === 'help') return print(certsHelp.overview)
  if (Object.hasOwn(commands, name)) return commands[name]!(rest)
  throw new ConfigError([unknownCommand('certs', Object.keys(commands), name.startsWith('-') ? '' : name)])
}
