// The help texts of `chargelift certs` and of each of its commands.

import { roles } from '../../model/server/admission.ts'
import { csvColumns } from '../../pki/authority/deviceCsv.ts'
import { certificateDaysDefault, certificateDaysMax } from '../../pki/limits.ts'
import { hostsDefault } from '../../pki/names.ts'
import type { NounHelp } from '../shared/noun.ts'
import { dirDefault } from './args.ts'

const end = `  --dir DIR         the folder of the PKI (${dirDefault})
  --help            this text

Exit codes: 0 done, 78 the arguments or the files have faults (all are printed).
`

const deviceOptions = `  --role ROLE       ${roles.join(' | ')} (edge)
                    edge: publishes for its charger; consumer: reads; operator: reads everything,
                    sends commands
  --charger NAME    a charger of this device; repeat it for several
                    (default: an edge its own name, a consumer every charger; not for an operator)
  --days DAYS       lifetime, 1 to ${certificateDaysMax} (${certificateDaysDefault}), never beyond that of the CA
  --force           replace the certificate of a device that has one`

const init = `Usage: chargelift certs init [--host NAME|IP]... [--dir DIR]

Makes the CA, the revocation list and the certificate of the server. Files that exist already stay.
The certificate of the server is replaced when the hosts differ, or when it ends soon.

Options:
  --host NAME|IP    name or address under which clients reach the server; repeat it for several
                    (default: those of the present certificate, at first
                    ${hostsDefault.join(' and ')})
${end}
Example: chargelift certs init --host cloud.example.com --host 192.0.2.10
`

const issue = `Usage: chargelift certs issue NAME [options]
       chargelift certs issue --csv FILE [--force]

Makes the key and the certificate of one device, or of every device in a CSV file. All devices of a
file get their certificates, or none does.

Options:
  --csv FILE        a header line ${csvColumns}, then a line for each device;
                    chargers are separated by spaces or semicolons, an empty value is the default
${deviceOptions}
${end}
Example: chargelift certs issue wallbox-1 --days 365
`

const sign = `Usage: chargelift certs sign FILE [options]

Makes a certificate for a key that stays on its device. FILE is the request that "chargelift edge
enroll" printed there, or - for standard input. Name and key are those of the request; its signature
is checked.

Options:
${deviceOptions}
${end}
Example: chargelift certs sign wallbox-1.csr
`

const bundle = `Usage: chargelift certs bundle NAME [options]

Packs all that an edge needs into one file, NAME.tar, and prints the line that installs it. The file
holds the key only when the key was made here.

Options:
  --out FILE        the archive (NAME.tar)
  --broker URL      mqtts://HOST[:PORT] (default: the first host of the server's certificate that is
                    not this machine)
  --url URL         the address of the charger, http://HOST:25000
  --dev-key PIN     PIN 1 of the charger's set-up sheet
  --driver DRIVER   the API of the charger (mennekes-amtron)
                    If the certificate has several chargers, give these three for each charger:
                    CHARGER=VALUE
${end}
Example: chargelift certs bundle wallbox-1 --url http://192.168.1.20:25000 --dev-key 0000
`

const renew = `Usage: chargelift certs renew NAME... [--days DAYS]
       chargelift certs renew --within DAYS [--days DAYS]

Makes a new key and certificate for devices that have one. Role and chargers stay. The former
certificate stays valid until it ends or is revoked, so that the device can change over.

Options:
  --within DAYS     all devices whose certificate ends within so many days
  --days DAYS       lifetime, 1 to ${certificateDaysMax} (${certificateDaysDefault}), never beyond that of the CA
${end}
Example: chargelift certs renew --within 30
`

const revoke = `Usage: chargelift certs revoke NAME... [--former]
       chargelift certs revoke NAME --serial SERIAL

Revokes certificates for ever: it adds them to the revocation list. A server that reads this list
disconnects their holders within seconds. By default all certificates of NAME are revoked.

Options:
  --former          only those that a later certificate has replaced: after a renewal, when the
                    device uses the new one
  --serial SERIAL   only this certificate ("chargelift certs list" shows the serials)
${end}
Example: chargelift certs revoke wallbox-1 --former
`

const list = `Usage: chargelift certs list [--dir DIR]

Lists every certificate that was issued to a device, with the days that are left of it.

Options:
${end}
Example: chargelift certs list
`

export const certsHelp: NounHelp = {
  overview: `Usage: chargelift certs COMMAND [options]

The certificates of a fleet:
  certs init [--host NAME|IP]...        make CA, revocation list and the server's certificate
  certs issue NAME [options]            make the key and the certificate of one device
  certs issue --csv FILE                the same for many devices
  certs sign FILE [options]             make a certificate for a key that stays on its device
  certs bundle NAME [options]           pack all that an edge needs into NAME.tar
  certs renew NAME... | --within DAYS   make a new key and certificate; the former stays valid
  certs revoke NAME... [options]        revoke certificates; servers read the list at once
  certs list                            list all certificates, with the days that are left

"chargelift certs COMMAND --help" explains a command and its options.

Options of every command:
${end}
Example: chargelift certs init --host cloud.example.com
`,
  of: { init, issue, sign, bundle, renew, revoke, list }
}
