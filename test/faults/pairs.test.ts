import { testSeed } from '../harness/seed.ts'
import { describeFaultPairs } from './fault-pairs.ts'

describeFaultPairs({
  pairs: Number(process.env['FAULT_PAIRS'] ?? 24),
  seed: testSeed,
  replay: `TEST_SEED=${testSeed} npx vitest run test/faults/pairs.test.ts`,
})
