// Reads the command line of a noun with several commands, such as `tokens add|list|revoke`, and selects its help.

import {
  type FlagSpecs,
  type FlagValues,
  readCommandLine,
  unexpectedWord,
  unknownCommand
} from '../../model/commandLine.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'

export interface NounHelp {
  readonly overview: string
  /** The help text of each command. */
  readonly of: Readonly<Record<string, string>>
}

/** The help of the command that `args` name, or the overview. Throws ConfigError for an unknown command. */
export function helpOf(noun: string, { overview, of }: NounHelp, args: readonly string[]): string {
  const action = args.find(arg => Object.hasOwn(of, arg))
  if (action !== undefined) return of[action]!
  const [word = '--help'] = args
  if (!word.startsWith('-')) throw new ConfigError([unknownCommand(noun, Object.keys(of), word)])
  return overview
}

export interface Noun<Action extends string, Flags extends FlagSpecs> {
  readonly name: string
  readonly actions: readonly Action[]
  /** The flags of all commands of the noun. */
  readonly flags: Flags
  /** The flags that only some commands have, with those commands. */
  readonly only: { readonly [Flag in keyof Flags]?: readonly Action[] }
}

interface NounLine<Action extends string, Flags extends FlagSpecs> {
  /** Undefined when the action is unknown. */
  readonly action: Action | undefined
  /** The noun and the action, for the text of faults. */
  readonly command: string
  readonly values: FlagValues<Flags>
  /** The words after the action. */
  readonly words: readonly string[]
}

/** Adds a fault for an unknown command, for unknown flags, and for flags of another command. */
export function readNoun<Action extends string, Flags extends FlagSpecs>(
  { name, actions, flags, only }: Noun<Action, Flags>,
  args: readonly string[],
  faults: ConfigFault[]
): NounLine<Action, Flags> {
  const likely = actions.find(known => args.includes(known))
  const command = likely === undefined ? name : `${name} ${likely}`
  const flagFaults: ConfigFault[] = []
  const { values, words } = readCommandLine(command, args, flags, flagFaults)
  const [word = '', ...rest] = words
  const action = actions.find(known => known === word)
  if (action === undefined) faults.push(unknownCommand(name, actions, word))
  else faults.push(...foreignFlags(name, action, Object.keys(values), only))
  faults.push(...flagFaults)
  return { action, command, values, words: rest }
}

function foreignFlags(
  noun: string,
  action: string,
  given: readonly string[],
  only: Readonly<Record<string, readonly string[] | undefined>>
): ConfigFault[] {
  return given.flatMap(flag => {
    const owners = only[flag]
    if (owners === undefined || owners.includes(action)) return []
    const expected = owners.map(owner => `"${noun} ${owner}"`).join(' or ')
    const sentence = `--${flag} belongs to ${expected}, not to "${noun} ${action}".`
    return [{ path: `--${flag}`, expected: `it with ${expected}`, found: `it with "${noun} ${action}"`, sentence }]
  })
}

/** Adds a fault when there are more words than the command takes. */
export function refuseMore(command: string, words: readonly string[], faults: ConfigFault[]): void {
  if (words.length > 0) faults.push(unexpectedWord(command, words.join(' ')))
}
