// Numbers of PostgreSQL's advisory locks, all in one place: two tasks with the same number would block each other.
// Numbers never change between versions. ensure_ev_readings_partitions in sql/000001_readings.sql has 7_246_311_504.

export const advisoryLocks = {
  migrations: 7_246_311_503,
  rejectedQuotas: 7_246_311_505,
  maintenance: 7_246_311_506
} as const
