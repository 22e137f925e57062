// Bundles the dashboard: from src/web to the files a browser loads, with the hash of their content in their names. In a
// source checkout it runs at the first request for the page; the build writes its result to dist/web. esbuild is loaded
// here alone, and only when this runs.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

/**
 * Name to content: `page.html`, `assets/main-HASH.js`, and each file once more, compressed, ending in `.gz` or `.br`.
 */
export type PageFiles = ReadonlyMap<string, Buffer>

export interface BuildOptions {
  /** Compresses as small as possible, however long it takes. */
  readonly thorough?: boolean
}

const source = new URL('../../../web/', import.meta.url)

/** Throws outside of a source checkout, where there is no src/web or no esbuild. */
export async function buildPage({ thorough = false }: BuildOptions = {}): Promise<PageFiles> {
  const { build } = await import('esbuild')
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('main.tsx', source))],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: ['chrome115', 'firefox115', 'safari16.4'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    logLevel: 'silent',
    outdir: '/',
    tsconfigRaw: {}
  })
  const named = outputFiles.map(({ path, contents }) => nameOf(path, Buffer.from(contents)))
  const head = named.map(({ name }) => tagOf(name)).join('\n')
  const html = (await readFile(new URL('page.html', source), 'utf8')).replace('{{head}}', head)
  const files = [...named, { name: 'page.html', content: Buffer.from(html) }]
  const all = await Promise.all(files.map(file => withCompressed(file, thorough)))
  return new Map(all.flat())
}

interface File {
  readonly name: string
  readonly content: Buffer
}

function nameOf(path: string, content: Buffer): File {
  const [, stem, extension] = /([^/\\]+)\.(\w+)$/.exec(path)!
  const hash = createHash('sha256').update(content).digest('base64url').slice(0, 10)
  return { name: `assets/${stem}-${hash}.${extension}`, content }
}

const tagOf = (name: string): string =>
  name.endsWith('.css') ? `<link rel="stylesheet" href="/${name}">` : `<script type="module" src="/${name}"></script>`

async function withCompressed({ name, content }: File, thorough: boolean): Promise<[string, Buffer][]> {
  const quality = thorough ? constants.BROTLI_MAX_QUALITY : 5
  const [gz, br] = await Promise.all([
    promisify(gzip)(content, { level: thorough ? 9 : 6 }),
    promisify(brotliCompress)(content, { params: { [constants.BROTLI_PARAM_QUALITY]: quality } })
  ])
  return [
    [name, content],
    [`${name}.gz`, gz],
    [`${name}.br`, br]
  ]
}
