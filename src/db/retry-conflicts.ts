import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

// deadlock_detected and serialization_failure: Postgres has rolled one of two transactions back so that the other
// could go on, and says itself that the whole transaction is to be tried again.
const conflicts = new Set(['40P01', '40001'])

const tries = 4

/**
 * Runs a transaction, and again from its start when Postgres chose it as the victim of a deadlock or a serialization
 * failure, at most four times in all. `transaction` must keep nothing of a try that was rolled back.
 * @throws what the last try has thrown
 */
export async function retryingConflicts<T>(transaction: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await transaction()
    } catch (error) {
      const code = error instanceof pg.DatabaseError ? error.code : undefined
      if (code === undefined || !conflicts.has(code) || attempt === tries) throw error
      // Not at once, nor both at the same moment: the other one needs the locks that this one has just given back.
      await sleep(20 * attempt + Math.random() * 50)
    }
  }
}
