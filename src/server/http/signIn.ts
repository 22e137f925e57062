// Signing in and out, for browsers. A token is exchanged for a session in a cookie that no script can read. The session
// ends after hours, with its token, and by signing out.

import type { Context } from 'hono'
import { deleteCookie, setCookie } from 'hono/cookie'
import { DeniedError } from '../../model/errors.ts'
import { type Access, type Asked, plainCookie, secureCookie, unknown } from '../access/access.ts'
import type { TokenCache } from '../access/tokenCache.ts'
import { httpBodyBytesMax } from './limits.ts'
import { type Call, json, type Route, refusal, textOf } from './routes.ts'
import { signInPage, signInStyle, signInStylePath } from './signInPage.ts'

export function signInRoutes(access: Access, tokenCache: () => TokenCache | undefined): Route[] {
  return [
    {
      method: 'GET',
      path: '/sign-in',
      needs: 'anyone',
      answer: ({ context }) => context.html(signInPage({ next: safePath(context.req.query('next')) }))
    },
    {
      method: 'GET',
      path: signInStylePath,
      needs: 'anyone',
      answer: ({ context }) =>
        context.body(signInStyle, 200, { 'content-type': 'text/css; charset=utf-8', 'cache-control': 'max-age=3600' })
    },
    { method: 'POST', path: '/sign-in', needs: 'anyone', answer: call => signIn(call, access, tokenCache) },
    { method: 'POST', path: '/sign-out', needs: 'anyone', answer: call => signOut(call, access, tokenCache) }
  ]
}

async function signIn(
  { context, asked }: Call,
  access: Access,
  tokenCache: () => TokenCache | undefined
): Promise<Response> {
  const isForm = asked.header('content-type')?.startsWith('application/x-www-form-urlencoded') ?? false
  const text = await textOf(context)
  if (text === undefined) return json(context, 413, { error: `expected at most ${httpBodyBytesMax} bytes, found more` })
  const wish = wishOf(text, isForm)
  if (wish === undefined) {
    return json(context, 400, { error: 'expected {"token": "..."} as JSON, or a form with the field token' })
  }
  const next = safePath(wish.next)
  const grant = await access.signIn(wish.token, asked)
  if (grant === unknown) return json(context, 503, { error: 'starting: the tokens are not known yet' })
  if (grant instanceof DeniedError) {
    access.refuse(grant, asked)
    if (!isForm || grant.code === 'http_rate') return refusal(context, grant)
    return context.html(signInPage({ next, fault: 'This token is unknown, revoked or ended.' }), 401)
  }
  try {
    const session = await tokenCache()!.openSession(grant)
    giveCookie(context, asked, access, session)
    if (isForm) return context.redirect(next, 303)
    return json(context, 200, {
      name: grant.name,
      role: grant.role,
      expires: new Date(session.expiresMs).toISOString()
    })
  } catch {
    return json(context, 503, { error: 'the database does not answer: try again, or use the token itself' })
  }
}

async function signOut(
  { context, asked }: Call,
  access: Access,
  tokenCache: () => TokenCache | undefined
): Promise<Response> {
  const session = access.sessionOf(asked)
  deleteCookie(context, plainCookie, { path: '/' })
  deleteCookie(context, secureCookie, { path: '/', secure: true })
  try {
    if (session !== undefined) await tokenCache()?.closeSession(session)
  } catch {
    return json(context, 503, {
      error: 'the database does not answer: this browser forgot the session, which ends by itself'
    })
  }
  return asked.header('accept')?.includes('text/html') ? context.redirect('/sign-in', 303) : context.body(null, 204)
}

/** Secure over TLS, also when a proxy in front of us speaks TLS: a browser gives the scheme of its page in Origin. */
function giveCookie(
  context: Context,
  asked: Asked,
  { isTls }: Access,
  { id, expiresMs }: { id: string; expiresMs: number }
): void {
  const secure = isTls || (asked.header('origin')?.startsWith('https://') ?? false)
  const maxAge = Math.max(0, Math.floor((expiresMs - Date.now()) / 1000))
  setCookie(context, secure ? secureCookie : plainCookie, id, {
    httpOnly: true,
    sameSite: 'Lax', // Strict would sign out users who follow a link to the dashboard; safe methods change nothing
    secure,
    path: '/',
    maxAge
  })
}

function wishOf(text: string, isForm: boolean): { token: string; next: string } | undefined {
  try {
    const body: unknown = isForm ? Object.fromEntries(new URLSearchParams(text)) : JSON.parse(text)
    const { token, next } = Object(body) as { token?: unknown; next?: unknown }
    return typeof token === 'string' ? { token, next: typeof next === 'string' ? next : '' } : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** A path of this server. Anything that a browser would take for another host becomes /. */
const safePath = (path: string | undefined): string =>
  path !== undefined && /^\/(?![/\\])[!-~]*$/.test(path) && path.length <= 1_024 ? path : '/'
