import type { DirectoryObject } from './objects.ts'

export type ChangeKind = 'created' | 'updated' | 'deleted' | 'restored' | 'purged' | 'member'

/** One entry of a table's log. Entries of the same object are chained backwards, so that a round needs no index. */
export interface Change {
  readonly seq: number
  readonly at: number
  /** Place of the object in its table. */
  readonly index: number
  readonly kind: ChangeKind
  /** Properties that were updated. */
  readonly names: readonly string[]
  /** Member that joined or left. */
  readonly memberId: string | null
  /** Seq of the object's change before; 0 = none. */
  readonly previous: number
}

const none: readonly string[] = []

/** Objects of one kind in the order of their making, with a log of everything that happened to them. */
export class ObjectTable<T extends DirectoryObject> {
  readonly order: T[] = []
  readonly log: Change[] = []
  readonly #byId = new Map<string, T>()
  readonly #clock: () => number
  #settled = 0
  #written = { second: Number.NaN, text: '' }
  live = 0

  constructor(clock: () => number) {
    this.#clock = clock
  }

  find(id: string): T | undefined {
    return this.#byId.get(id.toLowerCase())
  }

  /** The live object. Throws for any other: the caller mutates what isn't there. */
  get(id: string): T {
    const object = this.find(id)
    if (object?.state !== 'live') throw new Error(`The directory has no live object ${id}`)
    return object
  }

  add(object: T): void {
    if (this.#byId.has(object.id)) throw new Error(`The directory has an object ${object.id} already`)
    this.order.push(object)
    this.#byId.set(object.id, object)
    this.live += 1
    object.createdSeq = this.log.length + 1
    this.record(object, 'created')
  }

  record(object: T, kind: ChangeKind, names: readonly string[] = none, memberId: string | null = null): void {
    const seq = this.log.length + 1
    this.log.push({
      seq,
      at: this.#clock(),
      index: object.index,
      kind,
      names,
      memberId,
      previous: object.lastSeq,
    })
    object.lastSeq = seq
  }

  /** Moves an object between live, deleted and purged, and says so in the log. */
  move(object: T, kind: 'deleted' | 'restored' | 'purged'): void {
    const state = kind === 'restored' ? 'live' : kind
    if (object.state === 'live') this.live -= 1
    if (state === 'live') this.live += 1
    object.state = state
    object.deletedAt = state === 'live' ? null : this.#clock()
    this.record(object, kind)
  }

  /** Now as Graph writes it: `2026-09-01T08:00:00Z`. */
  timestamp(): string {
    const second = Math.floor(this.#clock() / 1000)
    if (this.#written.second !== second) {
      this.#written = { second, text: `${new Date(second * 1000).toISOString().slice(0, 19)}Z` }
    }
    return this.#written.text
  }

  /** From now on all that happened so far counts as long ago: late knobs do not hide it. */
  settle(): void {
    this.#settled = this.log.length
  }

  /** Seq up to which changes are visible: made at `before` (milliseconds since 1970) or earlier. */
  visibleSeq(before: number): number {
    const seq = lastIndex(this.log.length, (at) => (this.log[at]?.at ?? Infinity) <= before)
    return Math.max(seq, this.#settled)
  }

  /** How many objects, in order, existed at that seq. */
  countAt(seq: number): number {
    return lastIndex(this.order.length, (at) => (this.order[at]?.createdSeq ?? Infinity) <= seq)
  }
}

/** Number of leading places for which `holds`; it must hold for a prefix only. */
function lastIndex(length: number, holds: (at: number) => boolean): number {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (holds(middle)) low = middle + 1
    else high = middle
  }
  return low
}
