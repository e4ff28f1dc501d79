import { describeFaultPairs } from '../faults/fault-pairs.ts'
import { chaosSeed, chaosShare, replay } from './seed.ts'

describeFaultPairs({ pairs: Math.ceil(500 * chaosShare), seed: chaosSeed, replay: replay(chaosSeed) })
