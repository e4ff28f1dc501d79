import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { z } from 'zod'
import { labelFd, type Target } from './kill-points.ts'
import type { Word } from './worker-process.ts'

/** A worker process that kills itself at a given point; see kill-points.ts. */
export interface Victim {
  child: ChildProcess
  /** Resolves when its code is loaded. */
  loaded: Promise<void>
  /** Starts working. */
  go(): Promise<void>
  /** Has it count from its next statement on, and die at that point. */
  arm(at: Target | null): Promise<void>
  /** Ends the counting; answers the labels of the points that it came by. */
  disarm(): Promise<string[]>
  /** Label of the point at which it died; null = it ended otherwise. */
  ended: Promise<string | null>
}

/** Spawns a victim; it works when it is told to. */
export function spawnVictim(env: NodeJS.ProcessEnv): Victim {
  const child = spawn(process.execPath, ['test/crash/worker-process.ts'], {
    env: { ...env, ENTRA_SYNC_TEST_VICTIM: '1' },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc', 'pipe'],
  })
  let label = ''
  const pipe = child.stdio[labelFd]
  if (pipe === null || pipe === undefined) throw new Error('the victim has a pipe for its last word')
  pipe.on('data', (data) => (label += String(data)))
  // Not `exit`: the pipe may still hold the label then.
  const ended = once(child, 'close').then(([code, signal]) => {
    if (signal === 'SIGKILL') return label === '' ? null : label
    throw new Error(`the victim ended with ${signal ?? code}`)
  })
  ended.catch(() => {})

  const answer = async <T>(schema: z.ZodType<T>): Promise<T> => {
    for (;;) {
      const heard = await Promise.race([
        once(child, 'message').then(([message]) => schema.safeParse(message)),
        ended.then((at) => {
          throw new Error(`the victim died (${at ?? 'not at a point'}) instead of answering`)
        }),
      ])
      if (heard.success) return heard.data
    }
  }
  const say = async <T>(word: Word, schema: z.ZodType<T>): Promise<T> => {
    const heard = answer(schema)
    // To one that has died in this moment nothing can be said: the child's 'error' would end `ended` with EPIPE, while
    // with a callback it is `close` alone that tells, of both.
    child.send(word, () => {})
    return heard
  }
  const loaded = answer(z.literal('loaded')).then(() => undefined)
  // A standby that is not wanted any more is killed before anybody has asked.
  loaded.catch(() => {})
  return {
    child,
    loaded,
    go: () => say({ go: true }, z.literal('ready')).then(() => undefined),
    arm: (at) => say({ arm: at }, z.literal('armed')).then(() => undefined),
    disarm: () =>
      say({ disarm: true }, z.object({ points: z.array(z.string()) })).then(({ points }) => points),
    ended,
  }
}
