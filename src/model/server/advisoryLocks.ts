// Numbers of PostgreSQL's advisory locks, all in one place: who shares one by mistake keeps another from its work. The
// same for every version of the program. 7_246_311_504 is that of ensure_ev_readings_partitions in
// sql/000001_readings.sql.

export const advisoryLocks = {
  migrations: 7_246_311_503,
  rejectedQuotas: 7_246_311_505,
  maintenance: 7_246_311_506
} as const
