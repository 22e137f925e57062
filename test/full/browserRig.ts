// Runs Debian's headless Chromium through playwright-core for the tests of the dashboard. The browser connects only to
// the server under test. The rig keeps every error that the browser's console reports.

import { existsSync } from 'node:fs'
import axe from 'axe-core'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

const executablePath = '/usr/bin/chromium'
/** The reason for node:test to skip, or false. */
export const missing: string | false = existsSync(executablePath) ? false : 'needs Chromium: apt-get install chromium'

/** Starts the browser in a temporary folder that is deleted with it. */
export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync'
    ]
  })

export const desktop = { width: 1280, height: 800 }
export const phone = { width: 390, height: 844 }

export interface Visit {
  readonly page: Page
  /** The errors and warnings of the page, in the browser's words. */
  readonly errors: string[]
  /** True if the page was not loaded again since it was opened. */
  readonly isSamePage: () => Promise<boolean>
  close(): Promise<void>
}

/** Opens a page of the dashboard in a browser context that shares nothing with others. */
export async function visit(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({
    viewport: desktop,
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    ...options
  })
  const page = await context.newPage()
  const errors: string[] = []
  page.on('console', message => {
    if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text())
  })
  page.on('pageerror', error => errors.push(error.message))
  await page.goto(url)
  await page.evaluate('globalThis.openedByTest = true')
  return {
    page,
    errors,
    isSamePage: () => page.evaluate<boolean>('globalThis.openedByTest === true'),
    close: () => context.close()
  }
}

/**
 * The serious and critical violations that axe-core finds, as `rule: element`. All its rules for WCAG 2.2 A and AA and
 * for best practice are checked.
 */
export async function seriousViolations({ page }: Visit): Promise<string[]> {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate<axe.AxeResults>('axe.run()')
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`))
}

export interface LayoutShift {
  readonly value: number
  /** The elements that moved, each with its old and its new place. */
  readonly moved: readonly string[]
}

/**
 * The movement without user input since the page was opened (Cumulative Layout Shift). Users notice values of 0.1 and
 * above.
 */
export const layoutShift = ({ page }: Visit): Promise<LayoutShift> =>
  page.evaluate<LayoutShift>(`new Promise(resolve => {
    const found = { value: 0, moved: [] }
    new PerformanceObserver(list => {
      for (const { value, hadRecentInput, sources } of list.getEntries()) {
        if (hadRecentInput) continue
        found.value += value
        for (const { node, previousRect: from, currentRect: to } of sources)
          found.moved.push(\`\${node?.className} \${from.x},\${from.y} \${from.height} -> \${to.x},\${to.y} \${to.height}\`)
      }
      resolve(found)
    }).observe({ type: 'layout-shift', buffered: true })
    setTimeout(() => resolve(found), 500)
  })`)
