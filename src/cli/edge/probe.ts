// `chargelift edge probe HOST`: says which charger API answers at an address, and what to do when none answers.

import type { Finding, ProbeTarget } from '../../edge/chargers/probe.ts'
import { readCommandLine } from '../../model/commandLine.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'

export const help = `Usage: chargelift edge probe HOST[:PORT] [--key PIN1]

Asks the address which charger API answers there, one request at a time. It only reads:
  MHCP     http://HOST:25000, Mennekes Amtron Xtra, Trend and Premium (driver mennekes-amtron)
  ECU      http://HOST:80/rest/full_state, newer Mennekes and Bender boxes (driver mennekes-ecu)
  Modbus   HOST:502, for your information: there is no driver for it
With a PORT the command tries both HTTP APIs at this port, and does not try Modbus.

Options:
  --key PIN1   PIN 1 ("APP-PIN") of the charger's set-up sheet; without it MHCP is only recognised
  --help       this text

Exit codes: 0 a charger answers and can be polled, 1 none does (each line says why), 78 the command
line has faults (all are printed).

Example: chargelift edge probe 192.168.1.20 --key 0000
`

/**
 * Prints the findings. Sets the exit code 1 when no charger can be polled. Throws ConfigError for faults of the command
 * line.
 */
export async function run(args: readonly string[]): Promise<void> {
  const target = readArgs(args)
  const { probe } = await import('../../edge/chargers/probe.ts')
  const findings: Finding[] = []
  for await (const finding of probe(target)) {
    findings.push(finding)
    print(line(finding))
  }
  print(`\n${verdict(findings, target)}`)
  if (!findings.some(({ outcome }) => outcome === 'ok')) process.exitCode = 1
}

const line = ({ family, address, outcome, meaning }: Finding): string =>
  `${outcome === 'ok' ? 'ok  ' : '-   '}  ${family.padEnd(6)}  ${address}  ${meaning}`

function verdict(findings: readonly Finding[], { host, devKey }: ProbeTarget): string {
  const found = findings.find(({ outcome }) => outcome === 'ok')
  if (found !== undefined) return chargerOf(found, devKey)
  if (findings.some(({ outcome }) => outcome === 'forbidden')) return 'A charger answers, and needs its right key.'
  if (findings.some(({ outcome }) => outcome === 'spoken')) {
    return 'It speaks Modbus only: an Amtron has MHCP on port 25000, an ECU box /rest/full_state from firmware 5.13 on.'
  }
  if (findings.every(({ outcome }) => outcome === 'timeout' || outcome === 'refused')) {
    if (findings.every(({ meaning }) => meaning.includes('name is not known')))
      return `There is no ${host} in this network.`
    const isSilent = findings.every(({ meaning }) => !meaning.startsWith('refused'))
    return isSilent
      ? `Nothing answers at ${host}: is the charger on, in the same network, and is that its address (see the router)?`
      : `There is a device at ${host}, but none of the known APIs: is that the charger's address (see the router)?`
  }
  return `At ${host} is something else, or a charger that is not supported.`
}

/** The lines of edge.yaml for the charger that was found, ready to paste. */
function chargerOf({ address, driver, sample }: Finding, devKey: string): string {
  const { serial, model } = sample?.device ?? {}
  const about = [model && `model ${model}`, serial && `serial ${serial}`].filter(Boolean).join(', ')
  return [
    `A charger that can be polled${about && ` (${about})`}. In edge.yaml:`,
    '',
    'chargers:',
    '  - name: NAME',
    `    driver: ${driver}`,
    `    url: ${address}`,
    ...(driver === 'mennekes-amtron' ? [`    devKey: "${devKey && 'PIN 1'}"`] : [])
  ].join('\n')
}

const specs = { key: { type: 'string', expected: 'PIN 1' } } as const

function readArgs(args: readonly string[]): ProbeTarget {
  const faults: ConfigFault[] = []
  const { values, words } = readCommandLine('edge probe', args, specs, faults)
  const [place = '', ...extra] = words
  const found = extra.length > 0 ? words.join(' ') : place === '' ? 'nothing' : JSON.stringify(place)
  const url = URL.parse(place.includes('://') ? place : `http://${bracketed(place)}`)
  if (place === '' || extra.length > 0 || url === null || url.protocol !== 'http:') {
    faults.push({ path: 'edge probe', expected: 'one HOST, HOST:PORT or http://HOST:PORT', found })
  }
  if (faults.length > 0 || url === null) throw new ConfigError(faults)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  // URL drops port 80, because it is the default of http.
  const port = url.port !== '' ? Number(url.port) : /:0*80\/?$/.test(place) ? 80 : undefined
  return { host, devKey: values.key ?? '', ...(port === undefined ? {} : { port }) }
}

/** Adds the brackets that people leave out around an IPv6 address. */
const bracketed = (place: string): string =>
  place.split(':').length > 2 && !place.startsWith('[') ? `[${place}]` : place

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
