import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { Access } from '../../access/access.ts'
import { makeApp } from '../routes.ts'
import { pageRoutes } from './page.ts'

const failed: Error[] = []
const access = new Access({
  tokenCache: () => ({ isGuarded: false, find: async () => undefined }) as never,
  isLoopback: true,
  isTls: false,
  report: () => {}
})
const app = makeApp({
  access,
  routes: pageRoutes({ failed: error => failed.push(error) }),
  failed: (_path, error) => failed.push(error)
})
const get = (path: string, headers: Record<string, string> = {}): Promise<Response> | Response =>
  app.request(path, { headers: { host: 'localhost', ...headers } })

describe('page', () => {
  it('every address of the dashboard is the same page, with all it needs from here and nothing inline', async () => {
    const html = await (await get('/')).text()
    for (const path of ['/sessions', '/ingest', '/chargers/wallbox-1']) {
      const response = await get(path)
      assert.equal(response.status, 200, path)
      assert.equal(await response.text(), html, path)
    }
    assert.doesNotMatch(
      html,
      /https?:(?!\/\/www\.w3\.org\/2000\/svg)|<style|style=|<script(?! type="module" src="\/assets\/)/
    )
    assert.deepEqual(failed, [])
  })

  it('files keep for ever, each under the name of its content, plain or compressed', async () => {
    const html = await (await get('/')).text()
    const names = [...html.matchAll(/"(\/assets\/[^"]+)"/g)].map(([, name]) => name!)
    assert.deepEqual(names.map(name => name.replace(/-[\w-]{10}\./, '.')).sort(), [
      '/assets/main.css',
      '/assets/main.js'
    ])
    for (const name of names) {
      const plain = await get(name)
      assert.match(plain.headers.get('cache-control')!, /immutable/)
      const bytes = Buffer.from(await plain.arrayBuffer())
      const decoded = { br: brotliDecompressSync, gzip: gunzipSync }
      for (const encoding of ['br', 'gzip'] as const) {
        const packed = await get(name, { 'accept-encoding': `${encoding}, identity` })
        assert.equal(packed.headers.get('content-encoding'), encoding)
        assert.deepEqual(decoded[encoding](Buffer.from(await packed.arrayBuffer())), bytes)
      }
      assert.equal((await get(name, { 'accept-encoding': 'br;q=0' })).headers.get('content-encoding'), null)
    }
    assert.equal((await get('/assets/main-0123456789.js')).status, 404)
    assert.equal((await get('/assets/page.html')).status, 404)
  })

  it('a page that the browser has is not sent again', async () => {
    const first = await get('/', { 'accept-encoding': 'gzip' })
    const tag = first.headers.get('etag')!
    assert.equal(first.headers.get('cache-control'), 'no-cache')
    assert.equal((await get('/', { 'accept-encoding': 'gzip', 'if-none-match': `"other", W/${tag}` })).status, 304)
    assert.equal((await get('/', { 'accept-encoding': 'br', 'if-none-match': tag })).status, 200)
  })
})
