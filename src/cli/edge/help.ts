// The help text of `chargelift edge`.

export const runHelp = `Usage: chargelift edge --config edge.yaml [--log-level LEVEL]
       chargelift edge enroll NAME [--dir DIR]  make the key of this edge, and a certificate request
       chargelift edge probe HOST [--key PIN1]  tell which charger API answers at an address
       chargelift edge replay --since TIME      send acknowledged samples again

Polls chargers on site and publishes what changed over MQTT with mutual TLS. Samples wait on this
machine's disk until the server has acknowledged them. The edge only reads from the charger. It logs
JSON lines to standard output.

Options:
  --config FILE      the configuration (YAML, see below); required
  --log-level LEVEL  trace, debug, info (default), warn, error, fatal or silent
  --check            try the whole way once: configuration, certificates, clock, spool, broker,
                     charger, one poll, and the storing of that poll; prints a line for each step;
                     safe beside a running edge
  --once             poll each charger once, publish, wait for the acknowledgement (at most a
                     minute), and end
  --accept-serial    the charger was replaced: accept the serial number that answers now. Without
                     this flag another serial number publishes nothing. Needed for one start only
  --energy-start-wh WH
                     the lifetime energy now, for a charger that this machine does not know (a new
                     Pi), in place of the server's value; NAME=WH, repeated, for several chargers
  --help             this text

Configuration (paths are relative to the file):
  broker: mqtts://HOST:8883        the server
  tls:
    ca: ca.pem                     the authority that signed the server's certificate
    cert: NAME.pem                 certificate of this edge; its CN is the MQTT client id
    key: NAME.key                  its private key
  spool:                           optional
    path: spool.sqlite             where unsent samples wait
    maxBytes: 536870912            the spool never grows above this
  heartbeatMs: 900000              optional: unchanged values are published again after this time
  statusFile: /run/chargelift/edge.json   optional: the state of the edge as JSON, every ten seconds
  chargers:
    - name: NAME                   as the server knows it; the certificate must allow it
      driver: mennekes-amtron      the API that the charger speaks; or mennekes-ecu
      url: http://HOST:25000       where it answers
      devKey: "0000"               PIN 1 of the set-up sheet, in quotes; not with mennekes-ecu
      pollIntervalMs: 10000        optional: default 10 s while charging, 30 s otherwise
      phases: 3                    optional: bounds plausible power

Exit codes: 0 stopped by a signal, or all done (--check, --once); 1 a step failed, or a sample was
not acknowledged; 78 the configuration has faults (all are printed).

Example: chargelift edge --config /etc/chargelift/edge/wallbox-1/edge.yaml --check
`
