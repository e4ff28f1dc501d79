import { createHash } from 'node:crypto'
import type { Kysely } from 'kysely'
import type { RunningRound } from '../db/cursors.ts'
import type { MergeTable } from '../db/merge.ts'
import type { RemovalKind } from '../db/seen.ts'
import type { Database } from '../db/tables.ts'
import { devices } from './devices.ts'
import { groups } from './groups.ts'
import { skus } from './skus.ts'
import { users } from './users.ts'

/** What a page's writing did, in objects; `linked` counts memberships or licences added or changed. */
export interface PageCounts {
  added: number
  changed: number
  unchanged: number
  linked: number
  /** UPNs that match several hand-made persons. */
  ambiguous?: string[]
}

/** Writes a parsed page; runs in the page's transaction, after the lease was proved. */
export type WritePage = (db: Kysely<Database>, round: RunningRound) => Promise<PageCounts>

export interface Collection {
  name: string
  /** Without it an Entra tenant does not count as synced. */
  required: boolean
  /** Has delta links; else it is a list, whole each time. */
  delta: boolean
  /** Path where a full round begins. */
  start: string
  /** Kinds whose removals this collection tells, objects before what hangs on them. */
  kinds: readonly [RemovalKind, ...RemovalKind[]]
  /** Table of its objects. */
  stored: string
  /** Where its objects go column by column; null = they are written whole. */
  table: MergeTable | null
  /** Parses a page before its transaction begins. Throws kind malformed. */
  parse(value: unknown, facts: { full: boolean; hiddenReadable: boolean }): WritePage
}

export const collections: readonly Collection[] = [users, groups, skus, devices]
export const collectionNames: readonly string[] = collections.map((collection) => collection.name)
export const requiredCollections: readonly string[] = collections.filter((c) => c.required).map((c) => c.name)

/** Changes whenever other properties are read: a delta token holds the set it was made with. */
export function selectHash(collection: Collection): string {
  return createHash('sha256').update(collection.start).digest('hex').slice(0, 16)
}
