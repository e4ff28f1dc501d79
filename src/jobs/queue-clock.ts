import pg from 'pg'
import { addressOf, queueError } from './queue-connection.ts'

/** Repairs what a clock that was set has left in a queue in Postgres. */
export interface QueueClock {
  /** Takes back moments that lie ahead; answers how many there were. Throws kind `queue`. */
  forgetFuture(): Promise<number>
  close(): Promise<void>
}

// Longer than any lock of ours (30 s), and than hosts with a time service differ.
const aheadMs = 90_000
const lockMs = 30_000

/**
 * BullMQ's Postgres backend writes moments by the clock of the process that writes: when it last looked for stalled jobs
 * (nobody looks again before that moment, though it lies ahead), and until when a job is locked. After a clock that ran
 * five minutes fast was put right, the job of a killed worker was taken up by nobody for five minutes, and its tenant
 * stood still. On Redis both are ends of keys, by the clock of Redis.
 */
export function openQueueClock(
  queueUrl: string,
  schema: string,
  onError: (error: Error) => void,
): QueueClock {
  const pool = new pg.Pool({
    connectionString: queueUrl,
    max: 1,
    application_name: 'entra-sync queue',
    connectionTimeoutMillis: 5000,
    query_timeout: 10_000,
  })
  pool.on('error', onError)
  const of = pg.escapeIdentifier(schema)
  const text = `
    with checks as (
      delete from ${of}.meta
      where case when field = 'stalled-check' then value::bigint > $1::bigint + ${aheadMs} end returning 1
    ), locks as (
      update ${of}.job set locked_until_ms = $1::bigint + ${lockMs}
      where state = 'active' and locked_until_ms > $1::bigint + ${aheadMs} returning 1
    )
    select (select count(*) from checks) + (select count(*) from locks) as ahead`
  return {
    async forgetFuture() {
      try {
        const { rows } = await pool.query<{ ahead: string }>(text, [Date.now()])
        return Number(rows[0]?.ahead ?? 0)
      } catch (error) {
        throw queueError(
          `The queue in Postgres at ${addressOf(queueUrl)} could not be looked after`,
          error,
          'It is tried again by itself.',
        )
      }
    },
    close: () => pool.end(),
  }
}
