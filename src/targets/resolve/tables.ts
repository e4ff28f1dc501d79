import { sql, type Transaction } from 'kysely'
import type { Database } from '../../db/tables.ts'

/**
 * Temporary tables of one resolution, in the order in which they are filled; empty again when its transaction ends.
 * Tables and not one long statement: each step is planned with the true sizes of those before it, and explain reads
 * the steps themselves.
 */
const tables: Record<string, string> = {
  // Whose targets are resolved; `whole`: all of them, for else only what the dirt names; `exempt`: from the guard.
  resolving_families: `family_id uuid primary key, exempt boolean not null, whole boolean not null default false,
    deliberate boolean not null default false`,
  resolving_dirt: `family_id uuid not null, kind text not null, id uuid, item_id uuid, deliberate boolean not null,
    doubted boolean not null`,
  resolving_tenants: `tenant_id uuid primary key, family_id uuid not null, in_cross_tenant_deployments boolean not null,
    dirty_seq bigint not null`,
  // Subjects of which all items are resolved, and items that are resolved for all subjects of the family.
  resolving_scope: 'subject_id uuid primary key, family_id uuid not null',
  resolving_items: 'family_id uuid not null, item_id uuid not null, primary key (family_id, item_id)',
  // Subjects that something else has made dirty beside an operator's act: what changes for them need not follow from it.
  resolving_doubts: 'subject_id uuid primary key',
  // Live persons and computers. `whole`: all items are resolved, for else only those of resolving_items.
  resolving_subjects: `no int not null, kind text not null, subject_id uuid not null, family_id uuid not null,
    tenant_id uuid not null, whole boolean not null, enabled boolean not null, guest boolean not null, department text,
    domain text, tags text[] not null`,
  resolving_objects: 'no int not null, family_id uuid not null, object_id uuid not null',
  // Which deployments a tenant has; the smallest precedence wins.
  resolving_deployments: `tenant_id uuid not null, family_id uuid not null, deployment_id uuid not null, item_id uuid not null,
    precedence int not null, scope text not null, distance int not null,
    target_type text not null, chosen boolean not null, kept boolean not null default false,
    accounts text not null, guests text not null, departments text[], domains text[]`,
  resolving_terms: `deployment_id uuid not null, term int not null, excluded boolean not null, type text not null,
    group_id uuid, group_name text, group_pattern text, sku_id uuid, service_plan_id uuid, entitlement text, tag text, person_id uuid, computer_id uuid`,
  // Why a subject is reached; the smallest ref is told where there are several ways.
  resolving_reasons: 'ref int primary key, reason jsonb not null',
  // Groups that deployments name, and all groups below them with the shortest way up.
  resolving_above: 'family_id uuid not null, group_id uuid not null, primary key (family_id, group_id)',
  resolving_roots: `family_id uuid not null, deployment_id uuid not null, term int not null, excluded boolean not null,
    root_id uuid not null`,
  resolving_closure: `family_id uuid not null, root_id uuid not null, group_id uuid not null, depth int not null,
    place int not null, path jsonb not null, ref int, primary key (family_id, root_id, group_id)`,
  // SKUs and plans that deployments name, by the licences that hold them.
  resolving_plans: `family_id uuid not null, sku_id uuid not null, sku_part_number text not null, service_plan_id uuid not null,
    service_plan_name text not null`,
  resolving_grants: `family_id uuid not null, deployment_id uuid not null, term int not null, excluded boolean not null,
    sku_id uuid not null, service_plan_id uuid, entitlement text, over text, ref int not null`,
  resolving_pairs:
    'no int not null, entitlement text not null, yields boolean not null, over text, primary key (no, entitlement)',
  resolving_excluded: 'no int not null, deployment_id uuid not null, primary key (no, deployment_id)',
  resolving_wanted: 'no int not null, item_id uuid not null, best bigint not null',
  // The difference between what is wanted and what is there.
  resolving_changes: `tenant_id uuid not null, family_id uuid not null, subject_kind text not null, subject_id uuid not null,
    item_id uuid not null, change text not null, reason jsonb not null, before jsonb, after jsonb, tenant_before uuid,
    deployment_before uuid, deployment_after uuid, deliberate boolean not null, held boolean not null default false,
    primary key (subject_id, item_id)`,
}

// Of the larger tables, so that a join whose size the planner guesses badly is still one of lookups.
const indexes = [
  'create index if not exists resolving_subjects_no on resolving_subjects (no)',
  'create index if not exists resolving_subjects_id on resolving_subjects (subject_id)',
  'create index if not exists resolving_objects_id on resolving_objects (object_id)',
  'create index if not exists resolving_wanted_no on resolving_wanted (no)',
  'create index if not exists resolving_closure_depth on resolving_closure (depth)',
  'create index if not exists resolving_deployments_key on resolving_deployments (tenant_id, precedence)',
]

/** With Postgres' own 4 MB the joins of 100,000 persons go through files. */
const workMemory = '64MB'

/** Makes the tables where this connection has none yet, and empties them. */
export async function openTables(trx: Transaction<Database>): Promise<void> {
  const creates = Object.entries(tables).map(
    ([name, columns]) => `create temp table if not exists ${name} (${columns}) on commit delete rows`,
  )
  // A second resolution in one transaction begins anew.
  const truncate = `truncate ${Object.keys(tables).join(', ')}`
  await sql
    .raw(
      `set local client_min_messages = warning; set local work_mem = '${workMemory}'; set local jit = off; ${[...creates, ...indexes, truncate].join('; ')}`,
    )
    .execute(trx)
}

/** Tells the planner how large a table has become. */
export async function analyze(trx: Transaction<Database>, ...names: string[]): Promise<void> {
  await sql.raw(`analyze ${names.join(', ')}`).execute(trx)
}
