import { startApp } from '../app.ts'
import { stopOnSignal } from '../shutdown.ts'
import type { CommandContext } from './context.ts'

/** `run`: the daemon, until a signal stops it; a second one leaves at once (main.ts). */
export async function run(
  { config, log, output, signal }: CommandContext,
  only: ('scheduler' | 'worker' | 'http')[] | undefined,
): Promise<number> {
  const app = await startApp(config, { log, print: output.notice, ...(only && { only }) })
  await stopOnSignal(() => app.stop(), signal, log)
  return 0
}
