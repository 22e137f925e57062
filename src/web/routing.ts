// Decides which page is shown. The path is in the address and in the browser's history. Links are ordinary links. A
// plain click on a link to one of the dashboard's pages changes the page without a request.

import { useEffect, useState } from 'preact/hooks'

export type Route =
  | { readonly page: 'fleet' | 'sessions' | 'ingest' | 'unknown' }
  | { readonly page: 'charger'; readonly name: string }

export function routeOf(path: string): Route {
  if (path === '/') return { page: 'fleet' }
  if (path === '/sessions') return { page: 'sessions' }
  if (path === '/ingest') return { page: 'ingest' }
  const name = /^\/chargers\/([A-Za-z0-9][A-Za-z0-9._-]{0,63})$/.exec(path)?.[1]
  return name === undefined ? { page: 'unknown' } : { page: 'charger', name }
}

export const chargerPath = (name: string): string => `/chargers/${encodeURIComponent(name)}`

/** Returns the path. The component renders again when the path changes. */
export function usePath(): string {
  const [path, setPath] = useState(location.pathname)
  useEffect(() => {
    const moved = (): void => setPath(location.pathname)
    addEventListener('popstate', moved)
    document.addEventListener('click', followLink)
    return () => {
      removeEventListener('popstate', moved)
      document.removeEventListener('click', followLink)
    }
  }, [])
  return path
}

/** Handles a plain click on a link to one of the pages. */
function followLink(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
    return
  const link = (event.target as Element).closest('a')
  if (link === null || link.target !== '' || link.hasAttribute('download') || link.origin !== location.origin) return
  if (routeOf(link.pathname).page === 'unknown') return
  event.preventDefault()
  goTo(link.pathname + link.search)
}

function goTo(address: string): void {
  history.pushState(null, '', address)
  dispatchEvent(new PopStateEvent('popstate'))
  scrollTo(0, 0)
}

/** Puts a page's settings into its address, so that a reload and a shared link show the same. Omits empty texts. */
export function keepInAddress(settings: Readonly<Record<string, string>>): void {
  const query = new URLSearchParams(Object.entries(settings).filter(([, value]) => value !== '')).toString()
  const address = location.pathname + (query === '' ? '' : `?${query}`)
  if (address !== location.pathname + location.search) history.replaceState(null, '', address)
}

export const fromAddress = (name: string): string => new URLSearchParams(location.search).get(name) ?? ''
