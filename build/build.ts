// `npm run build`: makes binaries, compressed downloads, Debian packages and checksums in dist/. The same commit always
// gives the same bytes.
//   npm run build -- [--arch x64]... [--out DIR] [--quick]      --quick compresses nothing

import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { assetNames, readAsset, readVersion } from '../src/model/assets.ts'
import { buildPage } from '../src/server/http/page/pageBuild.ts'
import { bundle } from './bundle.ts'
import { makePackage, packageName } from './debian.ts'
import { licencesOf } from './licences.ts'
import { type Arch, nodeFolderOf } from './node.ts'
import { outputOf, runProgram } from './run.ts'
import { makeBinary } from './sea.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
/** The packages whose code is inside the page. */
const pageFolders = ['preact', 'uplot'].map(name => join(root, 'node_modules', name))
const archs: readonly Arch[] = ['x64', 'arm64']

const { values } = parseArgs({
  options: {
    arch: { type: 'string', multiple: true },
    out: { type: 'string', default: join(root, 'dist') },
    quick: { type: 'boolean', default: false }
  }
})
const wanted = archs.filter(arch => values.arch?.includes(arch) ?? true)
const out = resolve(values.out)
const workFolder = join(out, '.work')

const say = (text: string): void => void process.stdout.write(`${text}\n`)

const commit = await commitOf()
const { main, worker, history, packageFolders } = await bundle(root)
say(`chargelift ${readVersion()}, commit ${commit}, ${Math.round(main.length / 1024)} KB of JavaScript`)
const page = await buildPage({ thorough: true })
const products: string[] = ['install.sh']
mkdirSync(out, { recursive: true })
copyFileSync(join(root, 'install.sh'), join(out, 'install.sh'))
for (const arch of wanted) products.push(...(await build(arch)))
writeSums(products)

async function build(arch: Arch): Promise<string[]> {
  const nodeFolder = await nodeFolderOf(root, arch)
  const name = `chargelift-linux-${arch}`
  const binary = join(out, name)
  const licences = licencesOf(root, nodeFolder, [...packageFolders, ...pageFolders])
  await makeBinary({ arch, node: join(nodeFolder, 'bin/node'), main, assets: assetsOf(licences) }, workFolder, binary)
  const version = readVersion()
  const debian = packageName(version, arch)
  const parts = { arch, version, binary, licences, timeS: await commitTimeOf(), compress: !values.quick }
  await makePackage(root, parts, workFolder, join(out, debian))
  rmSync(workFolder, { recursive: true })
  if (values.quick) return [name, debian]
  // Always uses two threads: the number of threads decides how xz cuts the file, and so decides the bytes.
  await runProgram('xz', ['--keep', '--force', '-6', '--threads=2', name], { cwd: out })
  return [name, `${name}.xz`, debian]
}

function assetsOf(licences: string): Map<string, Uint8Array> {
  const files = ['package.json', ...assetNames('sql').map(name => `sql/${name}`)]
  return new Map<string, Uint8Array>([
    ...files.map(path => [path, readAsset(path)] as const),
    ...[...page].map(([name, bytes]) => [`dist/web/${name}`, bytes] as const),
    ['worker.js', worker],
    ['history.js', history],
    ['commit.txt', Buffer.from(commit)],
    ['licenses.txt', Buffer.from(licences)]
  ])
}

/**
 * The commit's hash, with a mark when files differ from the commit. 'unknown' in an unpacked release, which has no
 * repository.
 */
async function commitOf(): Promise<string> {
  if (!existsSync(join(root, '.git'))) return 'unknown'
  const git = (...args: string[]): Promise<string> => outputOf('git', args, { cwd: root })
  const hash = (await git('rev-parse', '--short=12', 'HEAD')).trim()
  return (await git('status', '--porcelain')) === '' ? hash : `${hash}, changed`
}

/** The time of the commit in seconds since 1970. 0 without a repository. */
async function commitTimeOf(): Promise<number> {
  if (!existsSync(join(root, '.git'))) return 0
  return Number(await outputOf('git', ['log', '-1', '--format=%ct'], { cwd: root }))
}

/** Writes SHA256SUMS for all products, in the format of `sha256sum`. */
function writeSums(names: readonly string[]): void {
  const lines = names.map(name => {
    const bytes = readFileSync(join(out, name))
    say(`${name}: ${(bytes.length / 1e6).toFixed(1)} MB`)
    return `${createHash('sha256').update(bytes).digest('hex')}  ${name}\n`
  })
  writeFileSync(join(out, 'SHA256SUMS'), lines.join(''))
}
