// `chargelift certs bundle`: packs everything that one edge needs into one file, and prints the line that installs the
// file on a Pi. The file holds the edge's key only if the key was made on this machine. The file is then as secret as
// the key.

import { readCommandLine } from '../../model/commandLine.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { isFileError, writeFault } from '../../model/fileFaults.ts'
import { type Bundle, makeBundle } from '../../pki/authority/bundle.ts'
import { throwFaults } from '../../pki/authority/ca.ts'
import { writePublic, writeSecret } from '../../pki/files.ts'
import { dirOf, print, refuseExtra, text, texts } from './args.ts'
import { edgeYaml } from './edgeYaml.ts'

/** The folder in which the Debian package keeps the files of edges. */
const installFolder = '/etc/chargelift/edge'

export async function bundleCommand(args: readonly string[]): Promise<void> {
  const faults: ConfigFault[] = []
  const specs = { dir: text, out: text, broker: text, driver: texts, url: texts, 'dev-key': texts } as const
  const { values, words } = readCommandLine('certs bundle', args, specs, faults)
  refuseExtra('certs bundle', words, 1, faults)
  const name = words[0] ?? ''
  const dir = dirOf(values)
  const settings = {
    broker: values.broker,
    drivers: values.driver ?? [],
    urls: values.url ?? [],
    devKeys: values['dev-key'] ?? []
  }
  let missing: readonly string[] = []
  const bundle = await makeBundle(dir, name, faults, device => {
    const { yaml, missing: found } = edgeYaml(device, settings, faults)
    missing = found
    return yaml
  })
  throwFaults(faults)
  const out = values.out ?? `${name}.tar`
  try {
    await (bundle!.hasKey ? writeSecret : writePublic)(out, bundle!.tar)
  } catch (cause) {
    if (!isFileError(cause)) throw cause
    throw new ConfigError([writeFault(out, cause, '--out')], { cause })
  }
  print(describe(name, out, bundle!, missing))
}

/** The text lists the steps in order. The edge may start only after its missing settings are filled in. */
function describe(name: string, out: string, { hasKey, files }: Bundle, missing: readonly string[]): string {
  const folder = `${installFolder}/${name}`
  const unpack = `sudo tar -xf ${name}.tar -C ${installFolder}`
  const start = `sudo systemctl enable --now chargelift-edge@${name}`
  const key = `The key must be there already: chargelift edge enroll ${name} --dir ${folder}\n`
  const steps =
    missing.length === 0
      ? `  ${unpack} && ${start}\n`
      : `  ${unpack}\nStill to be filled in, in ${folder}/edge.yaml:\n${lines(missing)}Then:\n  ${start}\n`
  return `Made ${out}: ${files.join(', ')}${hasKey ? '   (secret: the key is in it)' : ''}
On the Pi, with the package chargelift installed and ${name}.tar copied there
(it replaces an older ${folder}/edge.yaml):
${hasKey ? '' : key}${steps}Does the whole way work?
  sudo -u chargelift-edge chargelift edge --config ${folder}/edge.yaml --check
`
}

const lines = (texts: readonly string[]): string => texts.map(text => `  ${text}\n`).join('')
