import { isEntraSyncError, type EntraSyncError } from '../../src/errors.ts'

/** The EntraSyncError that `work` rejects with; fails if it does anything else. */
export async function caught(work: Promise<unknown>): Promise<EntraSyncError> {
  try {
    await work
  } catch (error) {
    if (isEntraSyncError(error)) return error
    throw error
  }
  throw new Error('It was expected to fail.')
}

/** The EntraSyncError that `work` throws. */
export function thrown(work: () => unknown): EntraSyncError {
  try {
    work()
  } catch (error) {
    if (isEntraSyncError(error)) return error
    throw error
  }
  throw new Error('It was expected to throw.')
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
