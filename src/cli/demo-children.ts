import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { EntraSyncError } from '../errors.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Longest that a child may take to leave after SIGTERM: the daemon promises 25 s. */
const stopMs = 26_000

export interface Children {
  /** Starts a script that lives as long as our end of its stdin, and gives the JSON of its first line. */
  readyLine<T>(name: string, script: string, argv: string[]): Promise<T>
  /** Runs one entra-sync command to its end, showing it as an operator would type it. @throws when it fails */
  command(argv: string[], env: Record<string, string>): Promise<void>
  /** Starts `entra-sync run`; it leaves when our IPC channel closes, so a killed demo leaves no daemon behind. */
  daemon(env: Record<string, string>): void
  reachable(url: string): Promise<void>
  stop(): Promise<void>
}

/** The demo's processes: each is stopped with the demo, and ends by itself when the demo is killed. */
export function childProcesses(signal: AbortSignal): Children {
  const running = new Map<ChildProcess, string>()
  const keep = (name: string, child: ChildProcess): ChildProcess => {
    running.set(child, name)
    child.once('exit', () => running.delete(child))
    return child
  }
  const ended = (name: string, code: number | null): EntraSyncError =>
    new EntraSyncError('transient', `The demo's ${name} ended with code ${code}.`, {
      code: 'demo_child_ended',
      remedy: 'Its own message stands above.',
    })

  return {
    async readyLine<T>(name: string, script: string, argv: string[]): Promise<T> {
      const child = keep(
        name,
        spawn(process.execPath, [script, ...argv], { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] }),
      )
      const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
      const first = once(lines, 'line', { signal }) as Promise<[string]>
      const gone = once(child, 'exit').then(([code]) => Promise.reject(ended(name, code as number | null)))
      gone.catch(() => {})
      const [line] = await Promise.race([first, gone])
      return JSON.parse(line) as T
    },

    async command(argv, env) {
      signal.throwIfAborted()
      process.stdout.write(
        `\n$ entra-sync ${argv.map((word) => (/\s/.test(word) ? `'${word}'` : word)).join(' ')}\n`,
      )
      const child = keep(
        argv.join(' '),
        spawn(process.execPath, ['src/main.ts', ...argv], {
          cwd: root,
          env: { ...process.env, ...env },
          stdio: ['ignore', 'inherit', 'inherit'],
        }),
      )
      const [code] = (await once(child, 'exit')) as [number | null]
      signal.throwIfAborted()
      if (code !== 0) throw ended(`command "${argv.join(' ')}"`, code)
    },

    daemon(env) {
      const child = keep(
        'daemon',
        spawn(process.execPath, ['src/main.ts', 'run'], {
          cwd: root,
          env: { ...process.env, ...env },
          stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        }),
      )
      child.once('exit', (code) => {
        if (code) process.stderr.write(`The demo's daemon ended with code ${code}.\n`)
      })
    },

    async reachable(url) {
      for (let attempt = 0; attempt < 300; attempt++) {
        signal.throwIfAborted()
        if (![...running.values()].includes('daemon')) throw ended('daemon', null)
        const answer = await fetch(url, { signal }).catch(() => null)
        if (answer?.ok) return
        await sleep(100, undefined, { signal })
      }
      throw new EntraSyncError('transient', `The demo's daemon does not answer at ${url}.`, {
        code: 'demo_daemon_silent',
      })
    },

    async stop() {
      const leaving = [...running.keys()].map(async (child) => {
        const exit = once(child, 'exit')
        child.stdin?.end()
        child.kill('SIGTERM')
        await Promise.race([exit, sleep(stopMs, undefined, { ref: false })])
        if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      })
      await Promise.all(leaving)
    },
  }
}
