#!/usr/bin/env node
import { CommanderError } from 'commander'
import { explainFailure } from './cli/failure.ts'
import { createOutput } from './cli/output.ts'
import { commandLine, type Perform } from './command-line/program.ts'
import { loadConfig } from './config.ts'
import { createLog } from './log.ts'

// Exit codes: 0 done, 1 failed, 2 wrong use, 3 held or partial.

/** Aborts with the first SIGINT or SIGTERM; the second leaves at once, since all writing is in transactions. */
function stopSignal(): AbortSignal {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(name === 'SIGINT' ? 130 : 143)
      stop.abort(name)
    })
  }
  // A process that was started with an IPC channel, as the demo's daemon is, leaves with its parent, even a killed one.
  if (process.connected) process.once('disconnect', () => stop.abort('disconnect'))
  return stop.signal
}

/** Runs the command line `argv` (without node and script) and gives the exit code. */
async function main(argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  let code = 0
  const perform: Perform = async (json, action, daemon = false) => {
    const output = createOutput(json)
    try {
      const config = loadConfig(env)
      // A person who types a command wants its result, not how it went about it.
      const level = daemon || env['LOG_LEVEL'] ? config.log.level : 'warn'
      code = await action({
        config,
        log: createLog({ ...config.log, level }),
        signal: stopSignal(),
        output,
      })
    } catch (error) {
      const failure = explainFailure(error)
      output.notice(`entra-sync: ${failure.text}`)
      if (failure.unexpected !== undefined && ['debug', 'trace'].includes(env['LOG_LEVEL'] ?? ''))
        output.notice(failure.unexpected)
      output.document({ error: failure.document })
      code = 1
    }
    output.end()
  }
  const program = commandLine(perform)
  for (const command of [program, ...program.commands, ...program.commands.flatMap((one) => one.commands)]) {
    command.exitOverride()
  }
  try {
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // Help that was asked for ends well; help because nothing was asked does not.
    return error.exitCode === 0 ? 0 : 2
  }
  return code
}

// A pipe that is closed early, as by `| head`, is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})
process.exitCode = await main(process.argv.slice(2), process.env)
// Kept-alive connections to Graph would hold the process for seconds after its work is done.
setTimeout(() => process.exit(), 250).unref()
