// Collects the licences of everything in a binary as one text: the project's, those of Node and its parts, and those of
// the packages. A package without a licence text fails the build. So does a licence that asks for more than its text.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const allowed = ['Apache-2.0', 'MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'BlueOak-1.0.0']

/** `nodeFolder` is the package folder of the Node inside the binary. */
export function licencesOf(root: string, nodeFolder: string, packageFolders: readonly string[]): string {
  const packages = packageFolders.map(readPackage).sort((a, b) => (a.title < b.title ? -1 : 1))
  const byText = new Map<string, string[]>()
  for (const { title, text } of packages) byText.set(text, [...(byText.get(text) ?? []), title])
  return [
    section('chargelift', readFileSync(join(root, 'LICENSE'), 'utf8')),
    ...[...byText].map(([text, titles]) => section(titles.join('\n'), text)),
    section('Node.js, and what it contains', readFileSync(join(nodeFolder, 'LICENSE'), 'utf8'))
  ].join('\n')
}

const section = (title: string, text: string): string =>
  `${'='.repeat(80)}\n${title}\n${'='.repeat(80)}\n\n${text.trim()}\n`

interface Licensed {
  /** For example `pg 8.23.1 (MIT)`. */
  readonly title: string
  readonly text: string
}

function readPackage(folder: string): Licensed {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  if (!allowed.includes(license))
    throw new Error(`expected of ${folder} one of ${allowed.join(', ')}, found ${license}`)
  return { title: `${name} ${version} (${license})`, text: textOf(folder, license) }
}

function textOf(folder: string, license: string): string {
  const names = readdirSync(folder)
  const file = names.find(name => /^(licen[cs]e|copying)/i.test(name))
  if (file !== undefined) return readFileSync(join(folder, file), 'utf8').trim()
  const readme = names.find(name => /^readme\.md$/i.test(name))
  const text =
    readme && /^#+\s*licen[cs]e[^\n]*\n([\s\S]*)/im.exec(readFileSync(join(folder, readme), 'utf8'))?.[1]?.trim()
  if (text) return text
  throw new Error(`expected a licence text (${license}) in ${folder}, found none`)
}
