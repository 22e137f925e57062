// The arguments that the commands of `certs` share, and the function with which they print to standard output.

import { unexpectedWord } from '../../model/commandLine.ts'
import type { ConfigFault } from '../../model/errors.ts'

export const dirDefault = 'certs'

export const text = { type: 'string', isFilled: true } as const
export const texts = { type: 'string', multiple: true, isFilled: true } as const
export const flag = { type: 'boolean' } as const

/** Adds a fault when there are more than `count` words. */
export function refuseExtra(command: string, words: readonly string[], count: number, faults: ConfigFault[]): void {
  if (words.length > count) faults.push(unexpectedWord(command, words.slice(count).join(' ')))
}

export const dirOf = ({ dir = dirDefault }: { readonly dir?: string }): string => dir

export function print(text: string): void {
  process.stdout.write(text)
}
