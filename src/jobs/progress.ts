import type { Job } from 'bullmq'
import type { Log } from '../log.ts'

/** Reports progress without making the work wait: while one report is under way, only the newest waits behind it. */
export function progressReporter(
  job: Job<unknown, string>,
  log: Log,
): { report(value: object): void; flush(): Promise<void> } {
  let sending: Promise<void> | null = null
  let next: object | null = null

  async function send(): Promise<void> {
    while (next !== null) {
      const value = next
      next = null
      try {
        await job.updateProgress(value)
      } catch (error) {
        log.debug({ err: error }, 'progress was not taken')
      }
    }
    sending = null
  }

  return {
    report(value) {
      next = value
      sending ??= send()
    },
    async flush() {
      await sending
    },
  }
}
