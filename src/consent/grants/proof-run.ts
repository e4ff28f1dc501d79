import type { ConsentMethod } from '../../db/tables.ts'

/** One proof under way. */
export interface ProofRun {
  entraTenantId: string
  clientId: string
  /** By Postgres' clock, in microseconds: orders proofs that run at once. */
  startedAt: string
  /** The permission level says this app. */
  wanted: boolean
  method: ConsentMethod
  grantedBy: string | null
}
