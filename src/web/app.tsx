// The frame around all pages: navigation, the state of the live connection, and the page that the address names.

import { useEffect, useMemo, useRef } from 'preact/hooks'
import { Dashboard, DashboardContext, useLive } from './data/dashboard.ts'
import { timeOfDay } from './format.ts'
import { ChargerPage } from './pages/charger.tsx'
import { FleetPage } from './pages/fleet.tsx'
import { IngestPage } from './pages/ingest.tsx'
import { SessionsPage } from './pages/sessions.tsx'
import { Bolt } from './parts/icons.tsx'
import { type Route, routeOf, usePath } from './routing.ts'

export function App() {
  const dashboard = useMemo(() => new Dashboard(), [])
  const route = routeOf(usePath())
  useEffect(() => {
    dashboard.start()
    return () => dashboard.stop()
  }, [dashboard])
  const main = useFocusOnChange(route)
  return (
    <DashboardContext.Provider value={dashboard}>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="bar">
        <div class="bar-inner">
          <a class="brand" href="/" aria-label="chargelift, fleet">
            <Bolt />
            <span class="brand-name">chargelift</span>
          </a>
          <nav class="nav" aria-label="Pages">
            <NavLink href="/" word="Fleet" isCurrent={route.page === 'fleet' || route.page === 'charger'} />
            <NavLink href="/sessions" word="Sessions" isCurrent={route.page === 'sessions'} />
            <NavLink href="/ingest" word="Ingest" isCurrent={route.page === 'ingest'} />
          </nav>
          <LiveMark />
        </div>
      </header>
      <main id="main" class="page" tabIndex={-1} ref={main}>
        <PageOf route={route} />
      </main>
      <StaleNotice />
    </DashboardContext.Provider>
  )
}

function PageOf({ route }: { route: Route }) {
  if (route.page === 'fleet') return <FleetPage />
  if (route.page === 'charger') return <ChargerPage key={route.name} name={route.name} />
  if (route.page === 'sessions') return <SessionsPage />
  if (route.page === 'ingest') return <IngestPage />
  return <p class="empty">There is no such page. The fleet, sessions and ingest pages are linked above.</p>
}

const NavLink = ({ href, word, isCurrent }: { href: string; word: string; isCurrent: boolean }) => (
  <a class="nav-link" href={href} aria-current={isCurrent ? 'page' : undefined}>
    {word}
  </a>
)

function LiveMark() {
  const { isLive, since } = useLive()
  const word = isLive ? 'Live' : since === null ? 'Connecting' : 'Not live'
  return (
    <span class={`live ${isLive ? 'is-live' : 'is-stale'}`} data-live={isLive}>
      <span class="live-dot" aria-hidden="true" />
      {word}
    </span>
  )
}

/** The notice lies over the page, so that nothing moves when the notice appears and disappears. */
function StaleNotice() {
  const { isLive, since, reason } = useLive()
  const text = isLive
    ? ''
    : since === null
      ? reason && `Not connected: ${reason}. Trying again.`
      : `No live data since ${timeOfDay(since)}, reconnecting.`
  return (
    <div class={`stale ${text === '' ? '' : 'is-shown'}`} role="status">
      {text}
    </div>
  )
}

/** A new page takes the focus, so that keyboard and screen reader continue there. */
function useFocusOnChange(route: Route) {
  const main = useRef<HTMLElement>(null)
  const shown = route.page === 'charger' ? `charger/${route.name}` : route.page
  const before = useRef(shown)
  useEffect(() => {
    if (before.current !== shown) main.current?.focus({ preventScroll: true })
    before.current = shown
  }, [shown])
  return main
}
