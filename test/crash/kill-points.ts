import { writeSync } from 'node:fs'
import { Redis } from 'ioredis'
import pg from 'pg'

/** Where the label of the point that killed the process goes: a pipe of its parent. */
export const labelFd = 4

/**
 * Makes this process killable at each point where it waits for somebody else: just before a statement, a command of the
 * queue or a request to Microsoft is sent (nothing of it has happened), and just after its answer has come and before
 * anybody here is told (all of it has happened, the acknowledgement is lost). What happens between the two is one or
 * the other for whoever looks afterwards, so these are all the points there are.
 */
export function watchKillPoints(): KillPoints {
  let armed = false
  let counting = false
  let target: Target | null = null
  let points: string[] = []

  function point(label: string, starts = false): void {
    if (!counting) {
      if (!armed || !starts) return
      counting = true
    }
    points.push(label)
    if (target === null || !label.includes(target.like) || --target.at > 0) return
    writeSync(labelFd, label)
    process.kill(process.pid, 'SIGKILL')
  }

  watchPostgres(point)
  watchRedis(point)
  watchRequests(point)
  return {
    arm(at) {
      armed = true
      counting = false
      target = at === null ? null : { ...at }
      points = []
    },
    disarm() {
      armed = false
      counting = false
      return points
    },
  }
}

/** The `at`th of the points whose labels have `like` in them, from 1. */
export interface Target {
  at: number
  like: string
}

export interface KillPoints {
  /** Counts from the next statement to our tables on; kills at the target, never when null. */
  arm(at: Target | null): void
  /** What was counted. */
  disarm(): string[]
}

type Point = (label: string, starts?: boolean) => void
type Query = (this: pg.Client, ...args: unknown[]) => unknown

function watchPostgres(point: Point): void {
  const query = pg.Client.prototype.query as unknown as Query
  const watched: Query = function (...args) {
    const [text] = args
    const statement =
      typeof text === 'string'
        ? text
        : text !== null && typeof text === 'object' && 'text' in text
          ? text.text
          : ''
    const ours = applicationOf(this) === 'entra-sync'
    const label = `${ours ? 'database' : 'queue'}: ${words(String(statement))}`
    point(`before ${label}`, ours)
    const callback = args.at(-1)
    if (typeof callback === 'function') {
      const told = (...answer: unknown[]): unknown => {
        point(`after ${label}`)
        return (callback as (...answer: unknown[]) => unknown)(...answer)
      }
      return query.apply(this, [...args.slice(0, -1), told])
    }
    const answer = query.apply(this, args)
    if (!(answer instanceof Promise)) return answer
    return answer.finally(() => point(`after ${label}`))
  }
  pg.Client.prototype.query = watched as unknown as typeof pg.Client.prototype.query
}

function applicationOf(client: pg.Client): string {
  const { connectionParameters } = client as unknown as {
    connectionParameters?: { application_name?: string }
  }
  return connectionParameters?.application_name ?? ''
}

function watchRedis(point: Point): void {
  const send = Redis.prototype.sendCommand
  Redis.prototype.sendCommand = function (command, stream) {
    const label = `queue: ${command.name}`
    point(`before ${label}`)
    void command.promise.finally(() => point(`after ${label}`)).catch(() => {})
    return send.call(this, command, stream)
  }
}

function watchRequests(point: Point): void {
  const { fetch } = globalThis
  globalThis.fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    const label = `cloud: ${init?.method ?? 'GET'} ${url.pathname}`
    point(`before ${label}`)
    const answer = await fetch(input, init)
    point(`after ${label}`)
    return answer
  }
}

/** Enough of a statement to know it again. */
function words(statement: string): string {
  return statement.replace(/\s+/g, ' ').trim().slice(0, 80)
}
