// Makes a single binary: a copy of Node with a blob that holds the bundle and the assets (Node's "single executable
// applications"). The binary does not depend on where or when it was made.

import { chmodSync, copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { inject } from 'postject'
import { serverLean } from '../src/cli/process/lean.ts'
import type { Arch } from './node.ts'
import { runProgram } from './run.ts'

export interface BinaryParts {
  readonly arch: Arch
  /** Node of `arch`, to be copied. */
  readonly node: string
  readonly main: Uint8Array
  /** By the name under which model/assets.ts finds them. */
  readonly assets: ReadonlyMap<string, Uint8Array>
}

const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'

/** `workFolder` is emptied. The Node that runs this makes the blob, so it must be of the same version as `node`. */
export async function makeBinary(
  { arch, node, main, assets }: BinaryParts,
  workFolder: string,
  outfile: string
): Promise<void> {
  rmSync(workFolder, { recursive: true, force: true })
  mkdirSync(workFolder, { recursive: true })
  writeFileSync(join(workFolder, 'main.js'), main)
  for (const [name, bytes] of assets) writeAsset(join(workFolder, 'assets', name), bytes)
  const config = {
    main: 'main.js', // relative: the path is in the blob
    output: 'blob',
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    useCodeCache: arch === process.arch, // it is not for another machine
    execArgv: serverLean.flags,
    execArgvExtension: 'cli', // see cli/process/self.ts; NODE_OPTIONS of the environment count for nothing
    assets: Object.fromEntries([...assets.keys()].map(name => [name, join('assets', name)]))
  }
  writeFileSync(join(workFolder, 'sea.json'), JSON.stringify(config))
  // V8 accepts a code cache only under the flags that made it. Its hash seed decides the order of the bytes.
  const flags = [...serverLean.flags, '--random-seed=1', '--experimental-sea-config', 'sea.json']
  await runProgram(process.execPath, flags, { cwd: workFolder })
  const binary = join(workFolder, 'binary')
  copyFileSync(node, binary)
  await inject(binary, 'NODE_SEA_BLOB', readFileSync(join(workFolder, 'blob')), { sentinelFuse: fuse })
  chmodSync(binary, 0o755)
  mkdirSync(dirname(outfile), { recursive: true })
  renameSync(binary, outfile)
}

function writeAsset(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, bytes)
}
