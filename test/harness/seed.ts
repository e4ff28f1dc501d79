import { execFileSync } from 'node:child_process'
import fc from 'fast-check'

/**
 * Seed of all properties of this run. That of the commit: the same commit tries the same things wherever it is tested,
 * so that what failed can be looked into, and the next commit tries others. TEST_SEED sets another one.
 */
export const testSeed = Number(process.env['TEST_SEED'] ?? seedOfCommit())

function seedOfCommit(): number {
  try {
    const commit = execFileSync('git', ['rev-parse', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return Number.parseInt(commit.slice(0, 7), 16)
  } catch {
    // The sources without their history.
    return 1
  }
}

fc.configureGlobal({ seed: testSeed })
