// Provides the products of `npm run build` to tests. Products in dist/ are used if they were built from the present
// commit. Otherwise the products are built again, uncompressed.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

type Arch = 'x64' | 'arm64'

/** Returns a folder that holds the binary and the package for `arch`. Builds them if they are missing. */
export async function builtProducts(arch: Arch): Promise<string> {
  const dist = join(root, 'dist')
  if (isPresent(dist, arch)) return dist
  const own = join(root, 'node_modules/.cache/chargelift-test-dist')
  mkdirSync(own, { recursive: true })
  if (isPresent(own, arch)) return own
  // Two test files may build at the same time. So each product is moved into place in one step, and the binary, which
  // holds the commit, is moved last.
  const making = mkdtempSync(`${own}-`)
  try {
    await build(root, making, arch)
    for (const file of readdirSync(making).sort().reverse()) renameSync(join(making, file), join(own, file))
  } finally {
    rmSync(making, { recursive: true, force: true })
  }
  return own
}

/** Builds all products of `checkout` for `arch`, uncompressed, into `out`. Throws if the build fails. */
export async function build(checkout: string, out: string, arch: Arch): Promise<void> {
  const args = [join(checkout, 'build/build.ts'), '--quick', '--arch', arch, '--out', out]
  const child = spawn(process.execPath, args, { cwd: checkout })
  let told = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (told += chunk))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`the build ended with ${code}:\n${told}`)
}

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
export const packageFile = (arch: Arch): string => `chargelift_${version}_${{ x64: 'amd64', arm64: 'arm64' }[arch]}.deb`

/**
 * True if the folder holds the products of the present commit. False if there are uncommitted changes, because a build
 * may not contain them.
 */
function isPresent(folder: string, arch: Arch): boolean {
  const binary = join(folder, `chargelift-linux-${arch}`)
  if (![binary, join(folder, packageFile(arch))].every(existsSync) || !existsSync(join(root, '.git'))) return false
  const git = (...args: string[]): string => execFileSync('git', args, { cwd: root, encoding: 'utf8' })
  const head = git('rev-parse', '--short=12', 'HEAD').trim()
  // The commit lies in the binary, beside the names of the other assets.
  return git('status', '--porcelain') === '' && commitIn(binary) === head
}

function commitIn(binary: string): string | undefined {
  const bytes = readFileSync(binary)
  const key = bytes.lastIndexOf('commit.txt')
  return /[0-9a-f]{12}(, changed)?/.exec(bytes.subarray(key, key + 60).toString('latin1'))?.[0]
}

export const qemu = '/usr/bin/qemu-aarch64-static'
const armLibraries = '/usr/aarch64-linux-gnu'
/** Undefined if the machine has all that an arm64 binary needs to run on x64. Otherwise the packages to install. */
export const noQemu: string | undefined = [
  qemu,
  `${armLibraries}/lib/libc.so.6`,
  `${armLibraries}/lib/libstdc++.so.6`
].every(existsSync)
  ? undefined
  : 'needs qemu: apt install qemu-user-static libc6-arm64-cross libstdc++6-arm64-cross libgcc-s1-arm64-cross'
export const qemuArgs = ['-L', armLibraries]
