// The arguments of `certs` commands: every fault is found and told at once, and what is printed goes to stdout.

import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import type { ConfigFault } from '../../model/errors.ts'

export const dirDefault = 'certs'

export const text = { type: 'string' } as const
export const texts = { type: 'string', multiple: true } as const
export const flag = { type: 'boolean' } as const
/** Every value of each option, in order. */
export type Values = Readonly<Record<string, readonly string[] | undefined>>

// Not strict: that stops at the first fault.
export function readArgs(
  args: readonly string[],
  options: ParseArgsOptionsConfig,
  faults: ConfigFault[]
): { values: Values; positionals: readonly string[] } {
  const { tokens, positionals } = parseArgs({
    args: [...args],
    options,
    strict: false,
    tokens: true,
    allowPositionals: true
  })
  const values: Record<string, string[]> = {}
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const value = optionValue(token, options[token.name], faults)
    values[token.name] = [...(values[token.name] ?? []), value]
  }
  return { values, positionals }
}

interface OptionToken {
  readonly rawName: string
  readonly value?: string | undefined
  readonly inlineValue?: boolean | undefined
}

function optionValue(
  token: OptionToken,
  spec: ParseArgsOptionsConfig[string] | undefined,
  faults: ConfigFault[]
): string {
  const { rawName, value, inlineValue } = token
  const fault = (expected: string, found: string): void => {
    faults.push({ path: rawName, expected, found })
  }
  if (spec === undefined) fault('an option that certs --help names', rawName)
  else if (spec.type === 'boolean' && value !== undefined) fault('no value', JSON.stringify(value))
  else if (spec.type === 'string' && (!value || (value.startsWith('-') && inlineValue !== true))) {
    fault('a value', value ? `the option ${value}` : 'none')
  }
  return value ?? ''
}

export function refuseExtra(positionals: readonly string[], count: number, faults: ConfigFault[]): void {
  const extra = positionals.slice(count)
  if (extra.length === 0) return
  faults.push({ path: 'arguments', expected: count === 0 ? 'options only' : 'one NAME', found: extra.join(' ') })
}

export const dirOf = ({ dir }: Values): string => one(dir) || dirDefault
export const one = (values: readonly string[] | undefined): string | undefined => values?.at(-1)

export function print(text: string): void {
  process.stdout.write(text)
}
