// The routes of the HTTP port as a table, and one check in front of all of them: a route that does not say who may call
// it cannot be added. Errors are JSON with one sentence. A browser that has not signed in gets the page to sign in.

import { type Context, Hono } from 'hono'
import { DeniedError } from '../../model/errors.ts'
import {
  type Access,
  type Asked,
  type Caller,
  may,
  originFault,
  statusOf,
  unknown,
  type Who
} from '../access/access.ts'
import { type AccessRole, accessRoles } from '../access/tokens.ts'
import { httpBodyBytesMax } from './limits.ts'
import { signInPage } from './signInPage.ts'

export interface Call {
  readonly context: Context
  readonly asked: Asked
}

interface RouteOf<Needs, Who> {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** The least role, or `anyone`: then the route itself decides what each caller sees. */
  readonly needs: Needs
  readonly answer: (call: Call, caller: Who) => Promise<Response> | Response
}

export type Route = RouteOf<AccessRole, Caller> | RouteOf<'anyone', Caller | undefined>

export interface AppOptions {
  readonly routes: readonly Route[]
  readonly access: Access
  /** A route threw: a fault of ours. */
  readonly failed: (path: string, error: Error) => void
}

/** Throws when a route does not say who may call it, or is there twice. */
export function makeApp({ routes, access, failed }: AppOptions): Hono {
  const app = new Hono()
  app.use(async (context, next) => {
    await next()
    for (const [name, value] of securityHeaders(access.isTls)) context.res.headers.set(name, value)
    if (!context.res.headers.has('cache-control')) context.res.headers.set('cache-control', 'no-store')
  })
  for (const route of routes) addRoute(app, route, access)
  addFallbacks(app, routes)
  app.onError((error, context) => {
    failed(context.req.path, error)
    return json(context, 500, { error: 'expected an answer, found a fault of the server' })
  })
  return app
}

function addRoute(app: Hono, route: Route, access: Access): void {
  const { method, path, needs } = route
  const label = `${method} ${path}`
  if (needs !== 'anyone' && !accessRoles.includes(needs)) throw new Error(`${label} does not say who may call it`)
  if (app.routes.some(known => known.method === method && known.path === path))
    throw new Error(`${label} is there twice`)
  app.on(method, path, async context => {
    const asked = askedOf(context)
    const refused = (error: DeniedError, who?: Caller): Response => {
      access.refuse(error, asked, who)
      return refusal(context, error)
    }
    const foreign = originFault(asked)
    if (foreign !== undefined) return refused(foreign)
    const who = await access.identify(asked)
    const caller = isCaller(who) ? who : undefined
    if (route.needs === 'anyone') return route.answer({ context, asked }, caller)
    if (who === unknown) return json(context, 503, { error: 'starting: the tokens are not known yet' })
    if (who instanceof DeniedError) return refused(who)
    if (may(who, route.needs)) return route.answer({ context, asked }, who)
    const error = new DeniedError('http_role', `expected the role ${route.needs} or above, found ${who.role}`)
    return refused(error, who)
  })
}

function addFallbacks(app: Hono, routes: readonly Route[]): void {
  for (const path of new Set(routes.map(({ path }) => path))) {
    const methods = routes.filter(route => route.path === path).map(({ method }) => method)
    const allow = methods.flatMap(method => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ')
    app.all(path, context => {
      context.header('allow', allow)
      return json(context, 405, { error: `expected ${methods.join(' or ')}, found ${context.req.method}` })
    })
  }
  const paths = [...new Set(routes.map(({ path }) => path))].join(', ')
  app.notFound(context => json(context, 404, { error: `expected one of ${paths}` }))
}

/** The answer to a refused request. The page keeps the status, so that programs are not misled. */
export function refusal(context: Context, { code, message }: DeniedError): Response {
  const status = statusOf[code] ?? 403
  if (status === 401) context.header('www-authenticate', 'Bearer realm="chargelift"')
  if (status === 429) context.header('retry-after', '60')
  const { method, path } = context.req
  const isBrowser = context.req.header('accept')?.includes('text/html')
  if (status === 401 && method === 'GET' && isBrowser) return context.html(signInPage({ next: path }), 401)
  return json(context, status, { error: message, code })
}

/** The body as text. Undefined when it is too large: then the rest is not read. */
export async function textOf(context: Context): Promise<string | undefined> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of context.req.raw.body ?? []) {
    bytes += chunk.length
    if (bytes > httpBodyBytesMax) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

export function json(context: Context, status: number, value: object): Response {
  context.header('content-type', 'application/json; charset=utf-8')
  return context.body(`${JSON.stringify(value)}\n`, status as 200)
}

const isCaller = (who: Who): who is Caller => who !== unknown && !(who instanceof DeniedError)

/** On a socket, the server below adds the address. A test has none. */
const askedOf = (context: Context): Asked => {
  const socket = (context.env as { incoming?: { socket: { remoteAddress?: string; remotePort?: number } } })?.incoming
    ?.socket
  return {
    method: context.req.method,
    header: name => context.req.header(name),
    address: `${socket?.remoteAddress}:${socket?.remotePort}`
  }
}

const securityHeaders = (isTls: boolean): readonly (readonly [string, string])[] => (isTls ? overTls : always)

/** A page loads everything from this server. No site may frame it, or read it from another origin. */
const always = [
  [
    'content-security-policy',
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
  ],
  ['x-content-type-options', 'nosniff'],
  ['x-frame-options', 'DENY'],
  ['referrer-policy', 'same-origin'],
  ['cross-origin-opener-policy', 'same-origin'],
  ['cross-origin-resource-policy', 'same-origin'],
  ['permissions-policy', 'camera=(), geolocation=(), microphone=()']
] as const
const overTls = [...always, ['strict-transport-security', 'max-age=31536000']] as const
