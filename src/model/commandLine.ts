// Reads a command line: its flags, and the words between them. Finds every fault at once; each says what to do.
// Not parseArgs of node:util: that stops at the first fault, or else takes "--json" as the value of the flag before it.

import type { ConfigFault } from './errors.ts'
import { nearest } from './nearest.ts'

export interface FlagSpec {
  readonly type: 'string' | 'boolean'
  /** It may be given several times; otherwise the last value counts. */
  readonly multiple?: boolean
  /** Its value when it stands alone. Such a flag takes another value only after "=". */
  readonly alone?: string
  /** An empty value counts as none. */
  readonly isFilled?: boolean
  /** Its value in words, for the fault that it has none. */
  readonly expected?: string
}
export type FlagSpecs = Readonly<Record<string, FlagSpec>>

type ValueOf<Spec> = Spec extends { readonly type: 'boolean' }
  ? true
  : Spec extends { readonly multiple: true }
    ? readonly string[]
    : string

export type FlagValues<Flags extends FlagSpecs> = { readonly [Name in keyof Flags]?: ValueOf<Flags[Name]> }

export interface CommandLine<Flags extends FlagSpecs> {
  readonly values: FlagValues<Flags>
  /** What is neither a flag nor the value of a flag. */
  readonly words: readonly string[]
}

/**
 * `command`: as typed, without the name of the program; faults name its help. A mistyped flag is a fault, and is then
 * read as the flag that was meant, so that its value is no lost word and its absence no second fault.
 */
export function readCommandLine<Flags extends FlagSpecs>(
  command: string,
  args: readonly string[],
  flags: Flags,
  faults: ConfigFault[]
): CommandLine<Flags> {
  const values: Record<string, unknown> = {}
  const words: string[] = []
  const rest = [...args]
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--') words.push(...rest.splice(0))
    else if (!isFlag(arg)) words.push(arg)
    else {
      const name = arg.replace(/^--?/, '').split('=', 1)[0]!
      const isKnown = arg.startsWith('--') && Object.hasOwn(flags, name)
      const meant = isKnown ? name : nearest(name, Object.keys(flags))
      const found: ConfigFault[] = []
      if (meant !== undefined) readFlag(command, meant, flags[meant]!, inlineOf(arg), rest, values, found)
      faults.push(...(isKnown ? found : [unknownFlag(command, arg, meant)]))
    }
  }
  return { values: values as FlagValues<Flags>, words }
}

/** A lone "-" is a file, and "-3600" a number. */
const isFlag = (arg: string): boolean => /^-[^\d]/.test(arg)

const inlineOf = (arg: string): string | undefined => (arg.includes('=') ? arg.slice(arg.indexOf('=') + 1) : undefined)

function readFlag(
  command: string,
  name: string,
  { type, multiple, alone, isFilled, expected }: FlagSpec,
  inline: string | undefined,
  rest: string[],
  values: Record<string, unknown>,
  faults: ConfigFault[]
): void {
  if (type === 'boolean') {
    if (inline !== undefined) faults.push(needlessValue(name, inline))
    values[name] = true
    return
  }
  const takesNext = inline === undefined && alone === undefined && rest.length > 0 && !isFlag(rest[0]!)
  const value = inline ?? alone ?? (takesNext ? rest.shift() : undefined)
  if (value === undefined) return void faults.push(missingValue(command, name, expected, rest[0]))
  if (isFilled && value === '') return void faults.push(missingValue(command, name, expected))
  values[name] = multiple ? [...((values[name] as string[] | undefined) ?? []), value] : value
}

function unknownFlag(command: string, arg: string, meant: string | undefined): ConfigFault {
  const found = shownFlag(arg)
  const advice = meant === undefined ? helpHint(command, 'lists the flags') : `Did you mean --${meant}?`
  return { path: 'flags', expected: 'flags of --help', found, sentence: `Unknown flag ${found}. ${advice}` }
}

/** Its name alone: behind that may stand a secret. */
const shownFlag = (arg: string): string => /^-+[\w-]*/.exec(arg)![0]

function missingValue(command: string, name: string, expected: string | undefined, next = ''): ConfigFault {
  const found = isFlag(next) ? `the flag ${shownFlag(next)}` : 'nothing'
  const rule = expected === undefined ? '' : ` (${expected})`
  const advice = isFlag(next)
    ? ` A value that begins with a dash is written --${name}=VALUE.`
    : expected === undefined
      ? ` ${helpHint(command, 'says which')}`
      : ''
  const sentence = `--${name} needs a value${rule}, found ${found}.${advice}`
  return { path: `--${name}`, expected: expected ?? 'a value', found, sentence }
}

const needlessValue = (name: string, value: string): ConfigFault => ({
  path: `--${name}`,
  expected: 'no value',
  found: JSON.stringify(value),
  sentence: `--${name} takes no value, found ${JSON.stringify(value)}. Write --${name} alone.`
})

/** A word too many, as it may be shown. */
export const unexpectedWord = (command: string, shown: string): ConfigFault => ({
  path: 'arguments',
  expected: 'nothing more',
  found: shown,
  sentence: `Unexpected argument ${shown}. ${helpHint(command, 'shows the usage')}`
})

/** `noun`: the command with the subcommands `names`; "" for the program itself. `found` "": nothing was typed. */
export function unknownCommand(noun: string, names: readonly string[], found: string): ConfigFault {
  const full = (name: string): string => [noun, name].filter(Boolean).join(' ')
  const meant = nearest(found, names)
  const list = [names.slice(0, -1).join(', '), names.at(-1)].filter(Boolean).join(' or ')
  const sentence =
    found === ''
      ? `${noun} needs a command: ${list}. ${helpHint(noun, 'explains them')}`
      : `Unknown command ${full(found)}. ${meant === undefined ? `Expected ${list}.` : `Did you mean ${full(meant)}?`}`
  return { path: noun || 'command', expected: `one of ${names.join(', ')}`, found: found || 'nothing', sentence }
}

const helpHint = (command: string, does: string): string =>
  `"${['chargelift', command, '--help'].filter(Boolean).join(' ')}" ${does}.`
