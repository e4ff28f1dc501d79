import { randomInt } from 'node:crypto'
import { describeFaultPairs } from './fault-pairs.ts'

const seed = Number(process.env['FAULT_SEED'] ?? randomInt(1, 1_000_000))

describeFaultPairs({
  pairs: Number(process.env['FAULT_PAIRS'] ?? 24),
  seed,
  replay: `FAULT_SEED=${seed} npx vitest run test/faults/pairs.test.ts`,
})
