// `chargelift certs bundle`: everything that one edge needs in one file, and the line that installs it on a Pi.
// The key is in it only when it was made here: then the file is as secret as the key.

import type { ConfigFault } from '../../model/errors.ts'
import { type Bundle, makeBundle } from '../../pki/bundle.ts'
import { throwFaults } from '../../pki/ca.ts'
import { writePublic, writeSecret } from '../../pki/files.ts'
import { dirOf, one, print, readArgs, refuseExtra, text, texts } from './args.ts'
import { edgeYaml } from './edgeYaml.ts'

/** Where the Debian package has the files of edges. */
const installFolder = '/etc/chargelift/edge'

export async function bundleCommand(args: readonly string[]): Promise<void> {
  const faults: ConfigFault[] = []
  const specs = { dir: text, out: text, broker: text, driver: texts, url: texts, 'dev-key': texts }
  const { values, positionals } = readArgs(args, specs, faults)
  refuseExtra(positionals, 1, faults)
  const name = positionals[0] ?? ''
  const dir = dirOf(values)
  const settings = {
    broker: one(values.broker),
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
  const out = one(values.out) || `${name}.tar`
  await (bundle!.hasKey ? writeSecret : writePublic)(out, bundle!.tar)
  print(describe(name, out, bundle!, missing))
}

const describe = (name: string, out: string, { hasKey, files }: Bundle, missing: readonly string[]): string =>
  `Made ${out}: ${files.join(', ')}${hasKey ? '   (secret: the key is in it)' : ''}
On the Pi, where the package chargelift is installed, and with ${name}.tar copied there:
  sudo tar -xf ${name}.tar -C ${installFolder} && sudo systemctl enable --now chargelift-edge@${name}
${hasKey ? '' : `The key must be in ${installFolder}/${name} already: chargelift edge enroll ${name} --dir ${installFolder}/${name}\n`}${missing
  .map(what => `Still to be filled in, in ${installFolder}/${name}/edge.yaml: ${what}\n`)
  .join(
    ''
  )}Does the whole way work?  sudo -u chargelift-edge chargelift edge --config ${installFolder}/${name}/edge.yaml --check
`
