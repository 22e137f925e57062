// The dashboard's pages and files. They are read from dist/web or from the single binary, where a build put them. In a
// source checkout they are bundled at the first request. A file has the hash of its content in its name, and a browser
// keeps it for ever. The page itself is asked for each time, and answered with 304 when it is the same.

import { createHash } from 'node:crypto'
import { assetNames, readAsset } from '../../../model/assets.ts'
import { type Call, json, type Route } from '../routes.ts'
import { buildPage, type PageFiles } from './pageBuild.ts'

export interface PageOptions {
  /** The page could not be bundled. Called once per attempt. */
  readonly failed: (error: Error) => void
}

const folder = 'dist/web'
/** All are one page to the server; the script shows what belongs to the address. */
const pages = ['/', '/chargers/:name', '/sessions', '/ingest']

export function pageRoutes({ failed }: PageOptions): Route[] {
  let loading: Promise<PageFiles> | undefined
  const files = (): Promise<PageFiles> => {
    loading ??= loadPage().catch(error => {
      loading = undefined
      throw error
    })
    return loading
  }
  const answer =
    (nameOf: (call: Call) => string) =>
    async (call: Call): Promise<Response> => {
      try {
        return send(call, await files(), nameOf(call))
      } catch (error) {
        failed(error as Error)
        return json(call.context, 503, { error: 'the dashboard cannot be shown: the log of the server says why' })
      }
    }
  return [
    ...pages.map((path): Route => ({ method: 'GET', path, needs: 'viewer', answer: answer(() => 'page.html') })),
    // The files hold no data, and the page to sign in uses the same styles.
    {
      method: 'GET',
      path: '/assets/:file',
      needs: 'anyone',
      answer: answer(({ context }) => `assets/${context.req.param('file')}`)
    }
  ]
}

async function loadPage(): Promise<PageFiles> {
  const names = assetNames(folder)
  if (names.length === 0) return buildPage()
  return new Map(names.map(name => [name, readAsset(`${folder}/${name}`)]))
}

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8'
}

function send({ context, asked }: Call, files: PageFiles, name: string): Response {
  const type = types[name.slice(name.lastIndexOf('.') + 1)]
  const plain = files.get(name)
  if (plain === undefined || type === undefined) {
    return json(context, 404, { error: 'there is no such file; a newer page may have others: load it again' })
  }
  const encoding = encodingOf(asked.header('accept-encoding') ?? '')
  const encoded = encoding && files.get(`${name}${encoding.ending}`)
  const tag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 20)}${encoded ? encoding.ending : ''}"`
  context.header('etag', tag)
  context.header('vary', 'accept-encoding')
  context.header('cache-control', name.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache')
  const known = asked.header('if-none-match')?.split(/\s*,\s*/) ?? []
  if (known.some(candidate => candidate.replace(/^W\//, '') === tag)) return context.body(null, 304)
  context.header('content-type', type)
  if (encoded) context.header('content-encoding', encoding.name)
  return context.body(new Uint8Array(encoded || plain))
}

const encodings = [
  { name: 'br', ending: '.br' },
  { name: 'gzip', ending: '.gz' }
] as const

/** The smallest encoding that the browser accepts. */
function encodingOf(accepted: string): (typeof encodings)[number] | undefined {
  const names = accepted.split(',').flatMap(part => {
    const [name = '', ...parameters] = part
      .trim()
      .toLowerCase()
      .split(/\s*;\s*/)
    return parameters.some(parameter => /^q=0(\.0*)?$/.test(parameter)) ? [] : [name]
  })
  return encodings.find(({ name }) => names.includes(name))
}
