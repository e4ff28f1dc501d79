import type { Kysely } from 'kysely'
import { noteOutages, type Outage } from '../db/cloud-outages.ts'
import type { Database } from '../db/tables.ts'
import type { Log } from '../log.ts'

/**
 * Tells the other processes, every few seconds, which services of Microsoft answer nobody: probes, metrics and console
 * may be served by a process that reads nothing. Nothing is written while all of them answer.
 */
export function tellOutages(options: {
  db: Kysely<Database>
  away: () => Outage[]
  process: string
  log: Log
  everyMs?: number
}): { stop(): Promise<void> } {
  const { db, away, process, log, everyMs = 5000 } = options
  let told = false
  let telling: Promise<void> = Promise.resolve()
  const tell = async (outages: Outage[]) => {
    if (outages.length === 0 && !told) return
    try {
      await noteOutages(db, process, outages)
      told = outages.length > 0
    } catch (error) {
      log.warn({ err: error }, 'it could not be told which services are away')
    }
  }
  const timer = setInterval(() => {
    telling = telling.then(() => tell(away()))
  }, everyMs)
  timer.unref()
  return {
    async stop() {
      clearInterval(timer)
      await telling
      await tell([])
    },
  }
}
