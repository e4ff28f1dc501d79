import { startApp, type Part } from '../app.ts'
import { stopOnSignal } from '../shutdown.ts'
import type { CommandContext } from './context.ts'

/** `run`: the daemon, until a signal stops it. */
export async function run(
  { config, log, signal, output }: CommandContext,
  only: Part[] | undefined,
): Promise<number> {
  const app = await startApp(config, { log, only, print: (line) => output.notice(line) })
  if (app.url !== null) output.notice(`entra-sync listens on ${app.url}; queue dashboard: ${app.url}/queues`)
  await stopOnSignal(() => app.stop(), signal, log)
  return 0
}
