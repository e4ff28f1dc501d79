import type { Verdict } from './verdicts.ts'

/** What one tick did. */
export interface TickResult {
  due: number
  healed: number
  discoveries: number
  proofs: number
  preconsents: number
  /** Whose targets are to be resolved and whom nobody woke. */
  families: number
}

/** Runs one tick. The scheduler's own code comes in as a function: jobs don't know the scheduler. */
export async function tickJob(runTick: () => Promise<TickResult>): Promise<Verdict> {
  const { due, healed, discoveries, proofs, preconsents, families } = await runTick()
  return {
    job: 'completed',
    result: `${due} due, ${healed} woken again, ${discoveries} discoveries, ${proofs} proofs of consent, ${preconsents} pre-consents, ${families} families to resolve`,
    again: 'never',
  }
}
