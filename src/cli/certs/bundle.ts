// `chargelift certs bundle`: everything that one edge needs in one file, and the line that installs it on a Pi.
// The key is in it only when it was made here: then the file is as secret as the key.

import type { ConfigFault } from '../../model/errors.ts'
import { type Bundle, makeBundle } from '../../pki/authority/bundle.ts'
import { throwFaults } from '../../pki/authority/ca.ts'
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

/** In the order in which it is done: nothing is started before what is missing is there. */
function describe(name: string, out: string, { hasKey, files }: Bundle, missing: readonly string[]): string {
  const folder = `${installFolder}/${name}`
  const unpack = `sudo tar -xf ${name}.tar -C ${installFolder}`
  const start = `sudo systemctl enable --now chargelift-edge@${name}`
  const key = `The key must be there already: chargelift edge enroll ${name} --dir ${folder}\n`
  const steps =
    missing.length === 0
      ? `  ${unpack} && ${start}\n`
      : `  ${unpack}\nStill to be filled in, in ${folder}/edge.yaml:\n${missing.map(what => `  ${what}\n`).join('')}Then:\n  ${start}\n`
  return `Made ${out}: ${files.join(', ')}${hasKey ? '   (secret: the key is in it)' : ''}
On the Pi, where the package chargelift is installed, and with ${name}.tar copied there (it replaces an older ${folder}/edge.yaml):
${hasKey ? '' : key}${steps}Does the whole way work?  sudo -u chargelift-edge chargelift edge --config ${folder}/edge.yaml --check
`
}
