// Computes the command with which the program starts itself again, with more flags for Node and V8. From source, the
// command is Node with the program's entry. The single binary takes the flags in one argument (execArgvExtension in
// build/sea.ts). It contains some flags already, and hides all flags from its arguments.

import { existsSync, readFileSync } from 'node:fs'
import { isBinary } from '../../model/assets.ts'

export interface Start {
  readonly file: string
  readonly args: readonly string[]
}

/**
 * False when this machine emulates the program's architecture (qemu-user). The kernel may then be unable to start the
 * program, and a failed execve ends the process.
 */
export function canStartAgain(arch: string = process.arch, file = '/proc/sys/kernel/arch'): boolean {
  if (!existsSync(file)) return true // a kernel before 6.1 lacks the file
  const machine = readFileSync(file, 'utf8').trim()
  return machine === { x64: 'x86_64', arm64: 'aarch64' }[arch]
}

// V8 refuses the binary's code cache when the flags differ, and Node prints a warning. The warning is expected.
const quietly = '--disable-warning=Warning'

/** `flags` are for Node and V8 and contain no spaces. `args` are the arguments after the program's name. */
export const startOf = (flags: readonly string[], args: readonly string[]): Start => ({
  file: process.execPath,
  args: isBinary
    ? [...(flags.length > 0 ? [`--node-options=${[...flags, quietly].join(' ')}`] : []), ...args]
    : [...flags, ...process.execArgv, process.argv[1]!, ...args]
})

/** The same for a forked process. Node passes the flags, then the first argument, then the other arguments. */
export const forkOf = (args: readonly [string, ...string[]]) =>
  isBinary
    ? { exec: args[0], args: args.slice(1), execArgv: [] }
    : { exec: process.argv[1]!, args, execArgv: process.execArgv }
