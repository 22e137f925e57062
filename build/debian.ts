// Makes a Debian package of a binary with `dpkg-deb`. The package has the program, its systemd units, commented
// settings, and scripts that make users and keep the measured data. The same commit always gives the same bytes.

import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Arch } from './node.ts'
import { runProgram } from './run.ts'

export interface PackageParts {
  readonly arch: Arch
  readonly version: string
  readonly binary: string
  readonly licences: string
  /** The time of every file in the package, in seconds since 1970. */
  readonly timeS: number
  /** False is for tests: it takes a second and not a minute, and four times the space. */
  readonly compress: boolean
}

/**
 * The package's files besides the program and the licences. Maps the path in the package to the path in the checkout.
 */
const files: Readonly<Record<string, string>> = {
  'usr/lib/systemd/system/chargelift-server.service': 'build/debian/chargelift-server.service',
  'usr/lib/systemd/system/chargelift-edge@.service': 'build/debian/chargelift-edge@.service',
  'etc/chargelift/server.env': 'build/debian/server.env',
  'usr/share/chargelift/restart-backoff.conf': 'build/debian/restart-backoff.conf',
  'usr/share/doc/chargelift/README': 'build/debian/README',
  'usr/share/doc/chargelift/CHANGELOG.md': 'CHANGELOG.md',
  'usr/share/doc/chargelift/edge.example.yaml': 'edge.example.yaml'
}
const emptyFolders = ['etc/chargelift/certs', 'etc/chargelift/edge']
const scripts = ['postinst', 'prerm', 'postrm']
const settings = ['/etc/chargelift/server.env']

/** Debian's names of the architectures. */
const debianArch: Readonly<Record<Arch, string>> = { x64: 'amd64', arm64: 'arm64' }

/** A pre-release is older than its release. Debian needs a tilde to sort it so. */
const debianVersion = (version: string): string => version.replace('-', '~')

export const packageName = (version: string, arch: Arch): string =>
  `chargelift_${debianVersion(version)}_${debianArch[arch]}.deb`

/** Makes the package at `outfile`. Empties `workFolder` first. */
export async function makePackage(
  root: string,
  parts: PackageParts,
  workFolder: string,
  outfile: string
): Promise<void> {
  rmSync(workFolder, { recursive: true, force: true })
  for (const folder of emptyFolders) mkdirSync(join(workFolder, folder), { recursive: true })
  const put = (path: string, content: string | Uint8Array): void => writeInto(workFolder, path, content)
  put('usr/bin/chargelift', readFileSync(parts.binary))
  put('usr/share/doc/chargelift/copyright', parts.licences)
  for (const [path, source] of Object.entries(files)) put(path, readFileSync(join(root, source)))
  put('DEBIAN/control', controlOf(parts, Math.ceil(sizeOf(workFolder) / 1024)))
  put('DEBIAN/conffiles', `${settings.join('\n')}\n`)
  for (const script of scripts) put(`DEBIAN/${script}`, readFileSync(join(root, 'build/debian', script)))
  // File modes must not depend on the umask.
  for (const { path, isFolder } of entriesOf(workFolder)) chmodSync(path, isFolder || isProgram(path) ? 0o755 : 0o644)
  // Always uses two threads, because the number of threads changes the bytes.
  const how = parts.compress ? ['-Zxz', '-z6'] : ['-Znone']
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(parts.timeS), DPKG_DEB_THREADS_MAX: '2' }
  await runProgram('dpkg-deb', [...how, '--root-owner-group', '--build', workFolder, outfile], { env })
}

const controlOf = ({ version, arch }: PackageParts, kilobytes: number): string => `Package: chargelift
Version: ${debianVersion(version)}
Architecture: ${debianArch[arch]}
Maintainer: the chargelift project <chargelift@localhost>
Installed-Size: ${kilobytes}
Depends: libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 9), passwd
Recommends: systemd
Suggests: postgresql
Section: net
Priority: optional
Description: lifts EV chargers into the cloud
 Polls chargers on site over HTTP, publishes what changed over MQTT with
 mutual TLS, stores it in PostgreSQL or TimescaleDB, and acknowledges only
 what is committed. This one program is the server, the edge on a Raspberry
 Pi, and what makes the certificates of a fleet.
`

const isProgram = (path: string): boolean =>
  path.endsWith('/usr/bin/chargelift') || scripts.some(script => path.endsWith(`/DEBIAN/${script}`))

function writeInto(folder: string, path: string, content: string | Uint8Array): void {
  const file = join(folder, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
}

const entriesOf = (folder: string): { path: string; isFolder: boolean }[] => [
  { path: folder, isFolder: true },
  ...readdirSync(folder, { recursive: true, withFileTypes: true }).map(entry => ({
    path: join(entry.parentPath, entry.name),
    isFolder: entry.isDirectory()
  }))
]

const sizeOf = (folder: string): number =>
  entriesOf(folder).reduce((sum, { path, isFolder }) => sum + (isFolder ? 0 : statSync(path).size), 0)
