import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A TCP way to a server that can fall silent without ending, as a pulled cable or a forgetful firewall makes it. */
export interface HalfOpenWay {
  /** The URL of what is behind it, by this way. */
  url: string
  /** Nothing passes any more on the connections that are open; `all`: nor on new ones. */
  silence(all?: boolean): void
  /** New connections pass again; those that fell silent stay so. */
  mend(): void
  /** Every connection that is open is reset. */
  cut(): void
  /** New connections are answered with these bytes and ended; null = they pass again. */
  refuse(answer: Buffer | null): void
  /** From the next `text` on that somebody sends: it arrives, and no answer comes back, as the connection is gone by then. Answers how often. */
  loseAnswerTo(text: string, times: number): () => number
  close(): Promise<void>
}

export async function halfOpenWay(to: string): Promise<HalfOpenWay> {
  const target = new URL(to)
  const pairs = new Set<[Socket, Socket]>()
  let mute = false
  let refusal: Buffer | null = null
  let lose: { text: string; left: number; lost: number } | null = null
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname)
    const pair: [Socket, Socket] = [near, far]
    pairs.add(pair)
    for (const socket of [near, far]) socket.on('error', () => {})
    near.on('close', () => {
      far.destroy()
      pairs.delete(pair)
    })
    far.on('close', () => near.destroy())
    if (mute) return
    const answer = refusal
    if (answer !== null) {
      near.once('data', () => near.end(answer))
      return
    }
    near.on('data', (chunk: Buffer) => {
      if (lose === null || lose.left === 0 || !chunk.includes(lose.text)) return
      lose.left -= 1
      lose.lost += 1
      far.unpipe(near)
      far.once('data', () => near.destroy())
    })
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
    cut() {
      for (const pair of pairs) for (const socket of pair) socket.destroy()
    },
    refuse(answer) {
      refusal = answer
    },
    loseAnswerTo(text, times) {
      const state = { text, left: times, lost: 0 }
      lose = state
      return () => state.lost
    },
    async close() {
      for (const pair of pairs) for (const socket of pair) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
