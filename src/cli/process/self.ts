// How this program starts itself once more with more flags for Node and V8. From source it is Node with its entry. The
// single binary takes the flags in one argument (execArgvExtension in build/sea.ts), has some inside already, and hides
// them from its arguments.

import { existsSync, readFileSync } from 'node:fs'
import { isBinary } from '../../model/assets.ts'

export interface Start {
  readonly file: string
  readonly args: readonly string[]
}

/**
 * False where this machine emulates the architecture of the program (qemu-user): its kernel may not know how to start
 * such a program, and an execve that fails ends the process.
 */
export function canStartAgain(arch: string = process.arch, file = '/proc/sys/kernel/arch'): boolean {
  if (!existsSync(file)) return true // a kernel before 6.1
  const machine = readFileSync(file, 'utf8').trim()
  return machine === { x64: 'x86_64', arm64: 'aarch64' }[arch]
}

// V8 refuses the code cache inside for a process with other flags, and Node warns of that. It is no fault.
const quietly = '--disable-warning=Warning'

/** `flags`: for Node and V8, without spaces in them. `args`: what follows the name of the program. */
export const startOf = (flags: readonly string[], args: readonly string[]): Start => ({
  file: process.execPath,
  args: isBinary
    ? [...(flags.length > 0 ? [`--node-options=${[...flags, quietly].join(' ')}`] : []), ...args]
    : [...flags, ...process.execArgv, process.argv[1]!, ...args]
})

/** The same for a process that is forked: Node puts flags, the first argument and the others one after the other. */
export const forkOf = (args: readonly [string, ...string[]]) =>
  isBinary
    ? { exec: args[0], args: args.slice(1), execArgv: [] }
    : { exec: process.argv[1]!, args, execArgv: process.execArgv }
