// Loopback: addresses that only programs on this machine reach. A name other than localhost does not count: DNS decides
// where it leads.

import { isIPv4 } from 'node:net'

export const isLoopbackHost = (host: string): boolean =>
  host.toLowerCase() === 'localhost' || host === '::1' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'))
