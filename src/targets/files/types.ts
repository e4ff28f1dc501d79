import type { DeploymentScope, DesiredState, Enforcement, TargetType } from '../../db/tables.ts'
import type { DeploymentEntry, ItemEntry } from './schema.ts'

/** Where something stands in a deployment file. Lines and columns count from 1. */
export interface Place {
  file: string
  line: number
  column: number
  /** As in `deployments[2].target.group`; empty = the file itself. */
  path: string
}

/** Something that is wrong with a deployment file, or at least odd. Texts of files and directories are in it as they are. */
export interface FileProblem {
  /** With an error nothing of the file may be applied. */
  severity: 'error' | 'warning'
  /** Stable, lower snake case. */
  code: string
  /** One or more sentences: what, and what to do about it. */
  message: string
  place: Place
}

/** An entry that parses, with the way to it: `['deployments', 2]`. */
export interface Placed<T> {
  entry: T
  path: readonly (string | number)[]
}

/** A deployment file as it stands, before its names are looked up. Entries with errors are left out. */
export interface ParsedFile {
  fileName: string
  /** For prune: which file deployments come from. */
  source: string
  items: Placed<ItemEntry>[]
  deployments: Placed<DeploymentEntry>[]
  /** In the order of their places. */
  problems: FileProblem[]
  /** The place of the deepest part of the path that is there. */
  placeOf(path: readonly PropertyKey[]): Place
}

/** Keys of deployments.target, see the SQL function is_deployment_target. */
export type TargetKeys = Record<string, string>

/** An element of deployments.excludes. */
export type ExcludedTarget = TargetKeys & { type: TargetType }

/** As deployments.filters has them; what is the default is left out. Lists are in lower case and sorted. */
export interface ResolvedFilters {
  accounts?: 'disabled' | 'any'
  guests?: 'include' | 'only'
  departments?: string[]
  domains?: string[]
}

/** Columns of table deployments that a file decides, all of them. */
export interface DeploymentColumns {
  name: string
  version: string
  desired_state: DesiredState
  enforcement: Enforcement
  scope: DeploymentScope
  tenant_id: string | null
  target_type: TargetType
  target: TargetKeys
  excludes: ExcludedTarget[]
  filters: ResolvedFilters
  enabled: boolean
  rank: number
  source: string
}

/** A deployment whose names are all known. `item` is the name of one of ResolvedFile.items. */
export interface ResolvedDeployment extends DeploymentColumns {
  item: string
  place: Place
}

/** An item that a deployment of the file has, or that the file lists. */
export interface ResolvedItem {
  /** As in the table where it is there, else as in the file. */
  name: string
  kind: 'software' | 'task'
  /** null = not in the table yet: to be made. */
  itemId: string | null
}

export interface ResolvedFile {
  /** Those without an error. */
  deployments: ResolvedDeployment[]
  items: ResolvedItem[]
  /** Those of the parsed file and those of its names, in the order of their places. */
  problems: FileProblem[]
}
