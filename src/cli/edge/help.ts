// What `chargelift edge --help` says.

export const runHelp = `Usage: chargelift edge --config edge.yaml [--log-level LEVEL]
       chargelift edge enroll NAME [--dir DIR]  make this edge's key here, print a certificate request
       chargelift edge probe HOST [--key PIN1]  which charger API answers there, if any
       chargelift edge replay --since TIME      send again what was acknowledged

Polls chargers on site and publishes what changed over MQTT with mutual TLS. What the server has not
acknowledged waits on this machine's disk. Only reads from the charger. Logs JSON lines to stdout.

Options:
  --config FILE      the configuration (YAML, see below); required
  --log-level LEVEL  trace, debug, info (default), warn, error, fatal or silent
  --check            try the whole way once: configuration, certificates, clock, spool, broker, charger, one poll,
                     and that poll stored; a line a step, safe beside a running edge
  --once             poll each charger once, publish, wait for the acknowledgement (a minute at most), and end
  --accept-serial    the charger was replaced: the one that answers now is the charger from here on; without
                     this another serial number publishes nothing. Needed for one start only
  --energy-start-wh WH
                     lifetime energy as it is now, for a charger that this machine does not know (a new Pi), in
                     place of what the server had; NAME=WH, more than once, where there are several chargers
  --help             this text

Configuration (paths are relative to the file):
  broker: mqtts://HOST:8883        the server
  tls:
    ca: ca.pem                     the authority that signed the server
    cert: NAME.pem                 certificate of this edge; its CN is the MQTT client id
    key: NAME.key                  its private key
  spool:                           optional
    path: spool.sqlite             where unsent samples wait
    maxBytes: 536870912            the spool never grows above this
  heartbeatMs: 900000              optional: unchanged values are published again after this long
  statusFile: /run/chargelift/edge.json   optional: what the edge is like, as JSON, every ten seconds
  chargers:
    - name: NAME                   as the server knows it; the certificate must allow it
      driver: mennekes-amtron      which API the charger speaks; or mennekes-ecu
      url: http://HOST:25000       where it answers
      devKey: "0000"               PIN 1 of the set-up sheet, in quotes; not with mennekes-ecu
      pollIntervalMs: 10000        optional: default 10 s while charging, 30 s otherwise
      phases: 3                    optional: bounds plausible power

Exit codes: 0 stopped by a signal, or all done (--check, --once); 1 a step failed, or not all was acknowledged;
78 the configuration has faults (all are printed).
`
