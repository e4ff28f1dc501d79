import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'

export interface LifelineOptions {
  /** Run as this user and group. */
  identity?: { uid: number; gid: number } | undefined
  /** Where stdout and stderr go; default: nowhere. */
  output?: number | 'inherit' | 'ignore'
  /** Deleted after the server has ended, however it ended. */
  removeAfterwards?: string | undefined
  cwd?: string
}

/**
 * Starts a server that never outlives us. A shell in a session of its own holds the server and a pipe whose other end
 * is ours: when we end, even by SIGKILL or with our whole process group, the pipe closes and the shell stops the server
 * (SIGINT: Postgres' fast shutdown, Redis' exit). Its own session keeps a Ctrl-C on the terminal from reaching it first.
 */
export function spawnWithLifeline(
  command: string,
  argv: string[],
  options: LifelineOptions = {},
): ChildProcess {
  const script = `exec 3<&0; "$@" </dev/null 3<&- & server=$!
(cat <&3 >/dev/null; kill -INT $server 2>/dev/null; sleep 8; kill -KILL $server 2>/dev/null) & watcher=$!
trap 'kill -INT $server 2>/dev/null' TERM INT
wait $server; code=$?; kill -0 $server 2>/dev/null && { wait $server; code=$?; }
[ -n "$REMOVE_AFTERWARDS" ] && rm -rf "$REMOVE_AFTERWARDS"
pkill -P $watcher 2>/dev/null; kill $watcher 2>/dev/null; exit $code`
  const output = options.output ?? 'ignore'
  const spawning: SpawnOptions = {
    stdio: ['pipe', output, output],
    detached: true,
    cwd: options.cwd ?? '/',
    env: {
      PATH: process.env.PATH,
      LC_ALL: 'C',
      TZ: 'UTC',
      REMOVE_AFTERWARDS: options.removeAfterwards ?? '',
    },
    ...options.identity,
  }
  const child = spawn('/bin/sh', ['-c', script, 'lifeline', command, ...argv], spawning)
  child.stdin?.on('error', () => {})
  child.unref()
  return child
}

/** Lets go of the lifeline and waits until the server has ended. */
export async function releaseLifeline(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.ref()
  child.stdin?.end()
  await ended
}
