/**
 * A real worker in a process of its own, with timings short enough to watch it being killed and replaced. A victim waits
 * for `go`, so that it is loaded when it is wanted, and dies at the point that it is told.
 */
import { flushCompileCache } from 'node:module'
import type { AppOptions } from '../../src/app.ts'
import type { KillPoints, Target } from './kill-points.ts'

const victim = process.env.ENTRA_SYNC_TEST_VICTIM !== undefined
// Before anything else has taken hold of what it watches.
const points: KillPoints | null = victim ? (await import('./kill-points.ts')).watchKillPoints() : null
const { startApp } = await import('../../src/app.ts')
const { loadConfig } = await import('../../src/config.ts')
const { createLog } = await import('../../src/log.ts')
// SIGKILL leaves no time for it at the end.
flushCompileCache()

async function start(): Promise<void> {
  const config = loadConfig(process.env)
  const timings = JSON.parse(process.env.ENTRA_SYNC_TEST_TIMINGS ?? '{}') as NonNullable<
    AppOptions['timings']
  >
  const app = await startApp(config, {
    only: ['worker', 'scheduler'],
    log: createLog(config.log),
    timings,
    queuePrefix: process.env.ENTRA_SYNC_TEST_PREFIX ?? 'bull',
  })
  process.once('disconnect', () => void app.stop().then(() => process.exit()))
  process.send?.('ready')
}

/** What the parent may say to a victim. */
export type Word = { go: true } | { arm: Target | null } | { disarm: true }

if (points === null) await start()
else {
  process.once('disconnect', () => process.exit())
  process.on('message', (word: Word) => {
    if ('go' in word) void start()
    else if ('arm' in word) {
      points.arm(word.arm)
      process.send?.('armed')
    } else process.send?.({ points: points.disarm() })
  })
  process.send?.('loaded')
}
