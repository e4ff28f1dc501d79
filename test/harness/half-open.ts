import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A TCP way to a server that can fall silent without ending, as a pulled cable or a forgetful firewall makes it. */
export interface HalfOpenWay {
  /** The URL of what is behind it, by this way. */
  url: string
  /** Nothing passes any more on the connections that are open; `all`: nor on new ones. */
  silence(all?: boolean): void
  /** New connections pass again; those that fell silent stay so. */
  mend(): void
  close(): Promise<void>
}

export async function halfOpenWay(to: string): Promise<HalfOpenWay> {
  const target = new URL(to)
  const pairs = new Set<[Socket, Socket]>()
  let mute = false
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname)
    pairs.add([near, far])
    for (const socket of [near, far]) socket.on('error', () => {})
    near.on('close', () => far.destroy())
    if (mute) return
    near.pipe(far)
    far.pipe(near)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(to)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    silence(all = false) {
      mute = all
      for (const [near, far] of pairs) {
        near.unpipe(far)
        far.unpipe(near)
      }
    },
    mend() {
      mute = false
    },
    async close() {
      for (const pair of pairs) for (const socket of pair) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
