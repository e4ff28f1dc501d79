import { vi } from 'vitest'

const realNow = performance.now.bind(performance)

/** So much time has passed, for all that asks the steady clock; `vi.restoreAllMocks` takes it back. */
export function laterBy(ms: number): void {
  vi.spyOn(performance, 'now').mockImplementation(() => realNow() + ms)
}
