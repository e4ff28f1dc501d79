/** A real worker in a process of its own, with timings short enough to watch it being killed and replaced. */
import { startApp, type AppOptions } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { createLog } from '../../src/log.ts'

const config = loadConfig(process.env)
const timings = JSON.parse(process.env.ENTRA_SYNC_TEST_TIMINGS ?? '{}') as NonNullable<AppOptions['timings']>
const app = await startApp(config, {
  only: ['worker', 'scheduler'],
  log: createLog(config.log),
  timings,
  queuePrefix: process.env.ENTRA_SYNC_TEST_PREFIX ?? 'bull',
})
process.once('disconnect', () => void app.stop().then(() => process.exit()))
process.send?.('ready')
