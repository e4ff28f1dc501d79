import { setTimeout as delay } from 'node:timers/promises'
import { EntraSyncError } from '../errors.ts'

/** The error to throw once `signal` has fired: its reason if that is one of ours, else kind aborted. */
export function abortedError(signal: AbortSignal): EntraSyncError {
  if (signal.reason instanceof EntraSyncError) return signal.reason
  return new EntraSyncError('aborted', 'The read was stopped before its end.', {
    code: 'aborted',
    cause: signal.reason,
  })
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal)
}

/** Waits; throws abortedError as soon as the signal fires. */
export async function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal)
  try {
    await delay(milliseconds, undefined, signal ? { signal } : {})
  } catch (error) {
    throwIfAborted(signal)
    throw error
  }
}

/** The outcome of `work`, or abortedError as soon as the signal fires; `work` itself goes on for its other waiters. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work
  throwIfAborted(signal)
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(abortedError(signal))
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
