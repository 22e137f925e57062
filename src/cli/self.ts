// How this program is started once more, with flags for Node and V8: as Node with its entry, or as the single binary, which takes
// them in one argument (execArgvExtension in build/sea.ts) and shows its arguments alone.

import { isBinary } from '../model/assets.ts'

export interface Start {
  readonly file: string
  readonly args: readonly string[]
}

const nodeOptions = '--node-options='

/** `execArgv`: for Node and V8, without spaces in them. `args`: what follows the name of the program. */
export const startOf = (execArgv: readonly string[], args: readonly string[]): Start => ({
  file: process.execPath,
  args: isBinary
    ? [...(execArgv.length > 0 ? [nodeOptions + execArgv.join(' ')] : []), ...args]
    : [...execArgv, process.argv[1]!, ...args]
})
