import type { Log } from './log.ts'

/** Docker and Kubernetes kill after 30 s by default: what is not done by then is left to the next process. */
export const stopDeadlineMs = 25_000

/** What was opened, to be closed in the opposite order. */
export interface Closers {
  /** Registers how to close what was just opened. `name` is for the log. */
  add(name: string, close: () => Promise<void> | void): void
  /** Closes everything, last opened first. A failing closer is logged and doesn't stop the others. Once only. */
  closeAll(): Promise<void>
}

export function createClosers(log: Log): Closers {
  const open: { name: string; close: () => Promise<void> | void }[] = []
  let closing: Promise<void> | null = null

  async function closeInOrder(): Promise<void> {
    for (let closer = open.pop(); closer !== undefined; closer = open.pop()) {
      try {
        await closer.close()
      } catch (error) {
        log.error({ err: error, closing: closer.name }, 'could not be closed')
      }
    }
  }

  return {
    add: (name, close) => void open.push({ name, close }),
    closeAll: () => (closing ??= closeInOrder()),
  }
}

/**
 * Resolves when `signal` has aborted (the first SIGTERM or SIGINT, also one that came while starting) and `stop` is
 * through. Past the deadline the process leaves with 1, whatever is under way: all work is in transactions, so nothing
 * can be half done, and the next process resumes it.
 */
export async function stopOnSignal(
  stop: () => Promise<void>,
  signal: AbortSignal,
  log: Log,
  { deadlineMs = stopDeadlineMs, leave = (code: number): void => process.exit(code) } = {},
): Promise<void> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  log.info({ signal: String(signal.reason), deadlineMs }, 'stopping')
  const timer = setTimeout(() => {
    log.error(
      { deadlineMs },
      'not stopped in time: leaving; what is under way is resumed by the next process',
    )
    leave(1)
  }, deadlineMs)
  try {
    await stop()
    log.info('stopped')
  } finally {
    clearTimeout(timer)
  }
}
