import { randomUUID } from 'node:crypto'
import { openDatabase } from '../../../src/db/connection.ts'
import { changeTargets } from './world.ts'

// Writes to the feed until it is killed, and tells each run before it commits and after.
const db = openDatabase(process.argv[2] ?? '', { max: 1, onError: () => {} })
const tell = (what: string, runId: string): void => void process.stdout.write(`${what} ${runId}\n`)
process.stdin.on('end', () => process.exit(1)).resume()
for (let dice = 1; ; dice += 3) {
  const runId = randomUUID()
  await db.transaction().execute(async (trx) => {
    await changeTargets(trx, runId, dice % 4, [
      { subject: dice % 3, item: dice, dice },
      { subject: (dice + 1) % 3, item: dice + 1, dice: dice + 1 },
    ])
    tell('writes', runId)
  })
  tell('committed', runId)
}
