// Makes a single binary: a copy of Node with a blob that holds the bundle and the assets (Node's "single executable
// applications"). The binary does not depend on the place or the time of the build.

import { chmodSync, copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { inject } from 'postject'
import { serverLean } from '../src/cli/process/lean.ts'
import type { Arch } from './node.ts'
import { runProgram } from './run.ts'

export interface BinaryParts {
  readonly arch: Arch
  /** The path of a Node for `arch`. The binary is a copy of it. */
  readonly node: string
  readonly main: Uint8Array
  /** The assets by the names under which model/assets.ts finds them. */
  readonly assets: ReadonlyMap<string, Uint8Array>
}

const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'

/**
 * Makes the binary at `outfile`. Empties `workFolder` first. The running Node makes the blob, so it must have the same
 * version as `node`.
 */
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
    main: 'main.js', // relative, because the blob contains the path
    output: 'blob',
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    useCodeCache: arch === process.arch, // a code cache works only on its own architecture
    execArgv: serverLean.flags,
    execArgvExtension: 'cli', // see cli/process/self.ts; NODE_OPTIONS of the environment has no effect
    assets: Object.fromEntries([...assets.keys()].map(name => [name, join('assets', name)]))
  }
  writeFileSync(join(workFolder, 'sea.json'), JSON.stringify(config))
  // V8 accepts a code cache only under the flags that made it. The seed fixes V8's hash seed, which decides the order
  // of the bytes.
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
