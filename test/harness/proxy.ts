import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A door in front of a server, on a port that stays the same whatever becomes of the server. */
export interface Proxy {
  port: number
  /** Sends what comes from now on to this port. */
  lead(port: number): void
  /** Resets all connections and takes no new ones, as a host does whose server has gone. */
  shut(): void
  close(): Promise<void>
}

/** Opens a door on loopback that leads to `port`. */
export async function openProxy(port: number): Promise<Proxy> {
  let target: number | null = port
  const open = new Set<Socket>()
  const server = createServer((client) => {
    if (target === null) return void client.resetAndDestroy()
    const behind = connect(target, '127.0.0.1')
    for (const [one, other] of [
      [client, behind],
      [behind, client],
    ] as const) {
      open.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        open.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const reset = (): void => {
    for (const socket of open) socket.resetAndDestroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    lead(to) {
      target = to
    },
    shut() {
      target = null
      reset()
    },
    async close() {
      reset()
      server.close()
      await once(server, 'close')
    },
  }
}
