import type { ColumnType, Generated } from 'kysely'
import type { SealedText } from '../secrets.ts'

/** Rows of schema `entra_sync`, typed by hand; test/db/tables.test.ts compares them with the live schema. */
export interface Database {
  tenants: TenantsTable
  entra_tenants: EntraTenantsTable
  tenant_links: TenantLinksTable
  gdap_customers: GdapCustomersTable
  gdap_relationships: GdapRelationshipsTable
  persons: PersonsTable
  person_licenses: PersonLicensesTable
  person_license_sources: PersonLicenseSourcesTable
  license_sources_due: LicenseSourcesDueTable
  groups: GroupsTable
  group_members: GroupMembersTable
  devices: DevicesTable
  subscribed_skus: SubscribedSkusTable
  sku_service_plans: SkuServicePlansTable
  sync_requests: SyncRequestsTable
  sync_leases: SyncLeasesTable
  sync_cursors: SyncCursorsTable
  sync_seen: SyncSeenTable
  sync_pending_removals: SyncPendingRemovalsTable
  sync_runs: SyncRunsTable
  applied_removals: AppliedRemovalsTable
  holds: HoldsTable
  hold_items: HoldItemsTable
  hold_limits: HoldLimitsTable
  fleet_freezes: FleetFreezesTable
  restore_witness: RestoreWitnessTable
  heartbeats: HeartbeatsTable
  app_budgets: AppBudgetsTable
  cloud_outages: CloudOutagesTable
  problems: ProblemsTable
  audit_log: AuditLogTable
  gdap_status: GdapStatusView
  tenant_status: TenantStatusView
  app_registrations: AppRegistrationsTable
  app_credentials: AppCredentialsTable
  consents: ConsentsTable
  consent_tickets: ConsentTicketsTable
  consent_requests: ConsentRequestsTable
  consent_status: ConsentStatusView
  partner_sign_ins: PartnerSignInsTable
  partner_sign_in_requests: PartnerSignInRequestsTable
  preconsents: PreconsentsTable
  problem_silences: ProblemSilencesTable
  open_problems: OpenProblemsView
  maintenance_items: MaintenanceItemsTable
  deployments: DeploymentsTable
  deployment_terms: DeploymentTermsView
  deployment_roots: DeploymentRootsView
  app_entitlements: AppEntitlementsTable
  app_entitlement_plans: AppEntitlementPlansTable
  computers: ComputersTable
  tenant_families: TenantFamiliesView
  target_runs: TargetRunsTable
  deployment_targets: DeploymentTargetsTable
  computer_targets: ComputerTargetsView
  target_changes: TargetChangesTable
  target_feed: TargetFeedTable
  target_families: TargetFamiliesTable
  target_dirt: TargetDirtTable
  target_failures: TargetFailuresTable
  target_family_status: TargetFamilyStatusView
  license_grace_look: LicenseGraceLookTable
  deployment_warnings: DeploymentWarningsView
  schema_migrations: SchemaMigrationsTable
}

/** Read as Date; written as Date or as text that Postgres takes. */
export type Timestamp = ColumnType<Date, Date | string, Date | string>
type DefaultTimestamp = ColumnType<Date, Date | string | undefined, Date | string>
type NullableTimestamp = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>
type Json = ColumnType<unknown, string | undefined, string>

export interface TenantsTable {
  tenant_id: Generated<string>
  name: string
  slug: string
  parent_tenant_id: string | null
  is_msp: Generated<boolean>
  in_cross_tenant_deployments: Generated<boolean>
  targets_dirty_seq: Generated<number>
  targets_clean_seq: Generated<number>
  created_at: DefaultTimestamp
}

export interface EntraTenantsTable {
  entra_tenant_id: string
  display_name: string | null
  default_domain: string | null
  domains: Generated<string[]>
  partner_entra_tenant_id: string | null
  permission_level: Generated<'default' | 'custom'>
  app_id: string | null
  sync_enabled: Generated<boolean>
  sync_interval: string | null
  next_sync_at: DefaultTimestamp
  last_synced_at: NullableTimestamp
  last_full_at: NullableTimestamp
  organization_read_at: NullableTimestamp
  devices_read_at: NullableTimestamp
  teams_read_at: NullableTimestamp
  license_sources_read_at: NullableTimestamp
  next_discovery_at: NullableTimestamp
  paused_at: NullableTimestamp
  gone_at: NullableTimestamp
  offboarded_at: NullableTimestamp
  restored_at: NullableTimestamp
  app_checked_at: NullableTimestamp
  consecutive_failures: Generated<number>
  created_at: DefaultTimestamp
}

export interface TenantLinksTable {
  tenant_id: string
  entra_tenant_id: string
  domain: string | null
  made_child: Generated<boolean>
}

export interface GdapCustomersTable {
  partner_entra_tenant_id: string
  entra_tenant_id: string
  display_name: string | null
  default_domain: string | null
  first_seen_at: DefaultTimestamp
  last_seen_at: DefaultTimestamp
  missing_since: NullableTimestamp
}

export interface GdapRelationshipsTable {
  relationship_id: string
  partner_entra_tenant_id: string
  entra_tenant_id: string | null
  display_name: string | null
  status: string
  roles: Generated<string[]>
  created_at: NullableTimestamp
  activated_at: NullableTimestamp
  ends_at: NullableTimestamp
  auto_extends: Generated<boolean>
  last_seen_at: DefaultTimestamp
  missing_since: NullableTimestamp
}

export interface PersonsTable {
  person_id: Generated<string>
  entra_tenant_id: string
  object_id: string | null
  tenant_id: string | null
  user_principal_name: string | null
  mail: string | null
  display_name: string | null
  given_name: string | null
  surname: string | null
  job_title: string | null
  department: string | null
  company_name: string | null
  office_location: string | null
  usage_location: string | null
  employee_id: string | null
  account_enabled: boolean | null
  user_type: string | null
  on_premises_sync_enabled: boolean | null
  on_premises_sam_account_name: string | null
  on_premises_security_identifier: string | null
  protected_reason: string | null
  tags: Generated<string[]>
  first_seen_at: DefaultTimestamp
  changed_at: DefaultTimestamp
  deleted_at: NullableTimestamp
}

export interface PersonLicensesTable {
  entra_tenant_id: string
  object_id: string
  sku_id: string
  disabled_plans: Generated<string[]>
}

export interface PersonLicenseSourcesTable {
  entra_tenant_id: string
  object_id: string
  sku_id: string
  assigned_by_group: string | null
  state: string | null
  error: string | null
}

export interface LicenseSourcesDueTable {
  entra_tenant_id: string
  object_id: string
}

export interface GroupsTable {
  entra_tenant_id: string
  object_id: string
  display_name: string | null
  mail: string | null
  mail_nickname: string | null
  kind: 'security' | 'microsoft365' | 'mail_enabled_security' | 'distribution'
  security_enabled: boolean | null
  mail_enabled: boolean | null
  on_premises_sync_enabled: boolean | null
  is_dynamic: Generated<boolean>
  is_team: Generated<boolean>
  team_archived: boolean | null
  team_read_at: NullableTimestamp
  visibility: string | null
  members_visible: Generated<boolean>
  changed_at: DefaultTimestamp
  deleted_at: NullableTimestamp
}

export interface GroupMembersTable {
  entra_tenant_id: string
  group_id: string
  member_id: string
  member_type: 'user' | 'group' | 'device' | 'service_principal' | 'contact' | 'other'
}

export interface DevicesTable {
  entra_tenant_id: string
  object_id: string
  device_id: string | null
  display_name: string | null
  operating_system: string | null
  account_enabled: boolean | null
  changed_at: DefaultTimestamp
}

export interface SubscribedSkusTable {
  entra_tenant_id: string
  sku_id: string
  sku_part_number: string
  product_name: string | null
  capability_status: string | null
  status_since: DefaultTimestamp
  applies_to: string | null
  enabled: Generated<number>
  consumed: Generated<number>
  suspended: Generated<number>
  warning: Generated<number>
}

export interface SkuServicePlansTable {
  entra_tenant_id: string
  sku_id: string
  service_plan_id: string
  service_plan_name: string
  provisioning_status: string | null
}

export interface SyncRequestsTable {
  entra_tenant_id: string
  requested_seq: Generated<number>
  served_seq: Generated<number>
  mode: Generated<'delta' | 'full'>
  collections: string[] | null
  priority: Generated<number>
  requested_by: Generated<string[]>
  requested_at: NullableTimestamp
  serving_seq: number | null
  serving_mode: 'delta' | 'full' | null
  serving_collections: string[] | null
  serving_priority: number | null
  serving_by: string[] | null
}

export interface SyncLeasesTable {
  entra_tenant_id: string
  run_seq: Generated<number>
  worker: string | null
  expires_at: DefaultTimestamp
  claims_without_page: Generated<number>
  throttled_until: NullableTimestamp
  run_id: string | null
}

export interface SyncCursorsTable {
  entra_tenant_id: string
  collection: string
  start_link: string | null
  next_link: string | null
  round_id: string | null
  round_mode: 'delta' | 'full' | null
  round_started_at: NullableTimestamp
  round_pages: Generated<number>
  round_added: Generated<number>
  round_changed: Generated<number>
  round_removed: Generated<number>
  round_unchanged: Generated<number>
  round_linked: Generated<number>
  round_sweeps: Generated<boolean>
  round_basis: string | null
  restarts: Generated<number>
  partial_rounds: Generated<number>
  drift_rounds: Generated<number>
  full_round_due: Generated<boolean>
  completed_at: NullableTimestamp
  last_full_at: NullableTimestamp
  served_seq: Generated<number>
  select_hash: string | null
  app_id: string | null
  permissions_hash: string | null
}

export interface SyncSeenTable {
  round_id: string
  kind: string
  key: string[]
  cleared: Generated<string[]>
}

export interface SyncPendingRemovalsTable {
  round_id: string
  entra_tenant_id: string
  kind: 'person' | 'group' | 'membership' | 'license' | 'device' | 'sku'
  key: string[]
  purged: Generated<boolean>
  first_seen_at: DefaultTimestamp
}

export interface SyncRunsTable {
  run_id: Generated<string>
  entra_tenant_id: string
  trigger: Generated<string[]>
  mode: 'delta' | 'full'
  started_at: DefaultTimestamp
  finished_at: NullableTimestamp
  outcome: 'succeeded' | 'partial' | 'held' | 'failed' | 'fenced' | null
  slices: Generated<number>
  collections: Json
  requests: Generated<number>
  resource_units: Generated<number>
  throttled_ms: Generated<number>
  error_kind: string | null
  error_code: string | null
  error_message: string | null
  error_request_id: string | null
}

export interface AppliedRemovalsTable {
  entra_tenant_id: string
  kind: string
  at: DefaultTimestamp
  count: number
  group_id: string | null
}

export interface HoldsTable {
  hold_id: Generated<string>
  entra_tenant_id: string | null
  kind: 'person' | 'group' | 'membership' | 'license' | 'device' | 'sku' | 'target'
  tenant_id: string | null
  deployment_id: string | null
  direction: 'assign' | 'unassign' | null
  reason: string
  size: number
  of_total: number
  status: Generated<'open' | 'approved' | 'rejected' | 'withdrawn'>
  created_at: DefaultTimestamp
  closed_at: NullableTimestamp
  run_id: string | null
  group_id: string | null
  closed_by: string | null
  close_reason: string | null
  hash: string | null
  applied_at: NullableTimestamp
}

export interface HoldLimitsTable {
  hold_limit_id: Generated<string>
  entra_tenant_id: string
  hold_min: number | null
  hold_percent: number | null
  hold_max: number | null
  expires_at: NullableTimestamp
  reason: Generated<string>
  set_by: string
  set_at: DefaultTimestamp
}

export interface FleetFreezesTable {
  freeze_id: Generated<string>
  started_at: DefaultTimestamp
  started_by: string | null
  reason: string
  ended_at: NullableTimestamp
  ended_by: string | null
}

export interface AppBudgetsTable {
  client_id: string
  window_start: Timestamp
  units: number
  held_until: NullableTimestamp
}

export interface CloudOutagesTable {
  service: 'graph' | 'login'
  process: string
  since: Timestamp
  told_at: Timestamp
}

export interface HeartbeatsTable {
  name: string
  at: Timestamp
  by: string
}

export interface RestoreWitnessTable {
  only_row: Generated<boolean>
  database_id: Generated<string>
  beats: Generated<number>
  beat_at: DefaultTimestamp
}

export interface HoldItemsTable {
  hold_id: string
  entra_tenant_id: string | null
  kind: string
  key: string[]
  wanted: Json | null
}

export interface ProblemsTable {
  problem_id: Generated<string>
  entra_tenant_id: string
  code: string
  message: string
  remedy: string
  who_acts: 'operator' | 'customer_admin' | 'partner_admin' | 'microsoft'
  request_id: string | null
  topic: Generated<string>
  opened_at: DefaultTimestamp
  seen_at: DefaultTimestamp
  closed_at: NullableTimestamp
}

export interface AuditLogTable {
  audit_id: Generated<number>
  at: DefaultTimestamp
  actor: string
  action: string
  entra_tenant_id: string | null
  tenant_id: string | null
  detail: Json
}

/** Derived: see the view's comment. */
export interface GdapStatusView {
  entra_tenant_id: string
  active: boolean | null
  ends_at: Date | null
  auto_extends: boolean | null
}

export interface TenantStatusView {
  entra_tenant_id: string
  display_name: string | null
  default_domain: string | null
  kind: 'partner' | 'customer' | 'standalone'
  state:
    | 'gone'
    | 'offboarded'
    | 'disabled'
    | 'paused'
    | 'gdap_ended'
    | 'waiting_for_roles'
    | 'consent_required'
    | 'problem'
    | 'new'
    | 'held'
    | 'ok'
  scheduled: boolean
  gdap_active: boolean | null
  gdap_ends_at: Date | null
  gdap_auto_extends: boolean | null
  problems: number
  holds: number
  held: number
  next_sync_at: Date
  last_synced_at: Date | null
  last_full_at: Date | null
  consecutive_failures: number
  last_run_id: string | null
  last_run_started_at: Date | null
  last_run_finished_at: Date | null
  last_run_outcome: string | null
  last_run_error_code: string | null
  last_run_error_message: string | null
  users: number
  groups: number
  members: number
  teams: number
  skus: number
  devices: number
  consent: Consent | null
  problems_silenced: number
}

export interface AppRegistrationsTable {
  app_id: Generated<string>
  entra_tenant_id: string
  level: Generated<'custom'>
  client_id: string
  version: Generated<number>
  created_at: DefaultTimestamp
}

export interface AppCredentialsTable {
  credential_id: Generated<string>
  app_id: string
  entra_tenant_id: string
  kind: 'secret' | 'certificate'
  sealed: SealedText
  thumbprint: string | null
  expires_at: NullableTimestamp
  added_at: DefaultTimestamp
  expires_source: 'told' | 'certificate' | 'graph' | null
  registered: boolean | null
  checked_at: NullableTimestamp
}

export type ConsentStatus = 'required' | 'waiting_for_roles' | 'granted' | 'insufficient' | 'revoked'
/** `other_app`: not to the app that the permission level says, but to another one. */
export type Consent = ConsentStatus | 'other_app'
export type ConsentMethod = 'admin_consent' | 'pre_consent' | 'check_now' | 'found'

export interface ConsentsTable {
  entra_tenant_id: string
  app_id: string
  status: Generated<ConsentStatus | null>
  granted_roles: Generated<string[]>
  missing_roles: Generated<string[]>
  missing_optional_roles: Generated<string[]>
  proved_at: NullableTimestamp
  granted_at: NullableTimestamp
  granted_by: string | null
  method: ConsentMethod | null
  waiting_since: NullableTimestamp
  next_proof_at: DefaultTimestamp
  proofs_failed: Generated<number>
}

export interface ConsentTicketsTable {
  ticket_hash: Buffer
  entra_tenant_id: string
  app_id: string
  created_by: string
  created_at: DefaultTimestamp
  expires_at: Timestamp
}

export interface ConsentRequestsTable {
  state_hash: Buffer
  entra_tenant_id: string
  app_id: string
  requested_by: string
  browser_hash: Buffer
  started_at: DefaultTimestamp
  expires_at: Timestamp
  used_at: NullableTimestamp
  outcome: string | null
}

export interface ConsentStatusView {
  entra_tenant_id: string
  wanted_app_id: string | null
  status: ConsentStatus | null
  missing_roles: string[] | null
  missing_optional_roles: string[] | null
  granted_at: Date | null
  granted_by: string | null
  method: ConsentMethod | null
  proved_at: Date | null
  other_app_id: string | null
  consent: Consent | null
}

export interface PartnerSignInsTable {
  sign_in_id: Generated<string>
  partner_entra_tenant_id: string
  user_object_id: string
  user_principal_name: string | null
  app_id: string
  sealed: SealedText
  obtained_at: DefaultTimestamp
  refreshed_at: DefaultTimestamp
  last_used_at: NullableTimestamp
  refused_at: NullableTimestamp
  refused_code: string | null
  signed_in_by: string
}

export interface PartnerSignInRequestsTable {
  request_id: Generated<string>
  state_hash: Buffer
  partner_entra_tenant_id: string
  app_id: string
  requested_by: string
  browser_hash: Buffer
  sealed: SealedText
  started_at: DefaultTimestamp
  expires_at: Timestamp
  used_at: NullableTimestamp
}

export interface PreconsentsTable {
  entra_tenant_id: string
  app_id: string
  partner_entra_tenant_id: string
  step: Generated<'waiting' | 'consenting' | 'granting' | 'cleaning' | 'proving' | 'done' | 'failed'>
  bootstrap_open: Generated<boolean>
  requested_by: string
  requested_at: DefaultTimestamp
  started_at: NullableTimestamp
  finished_at: NullableTimestamp
  attempts: Generated<number>
  error_code: string | null
  error_message: string | null
  error_remedy: string | null
  error_request_id: string | null
}

export interface ProblemSilencesTable {
  silence_id: Generated<string>
  code: string | null
  entra_tenant_id: string | null
  reason: Generated<string>
  created_by: string
  created_at: DefaultTimestamp
  expires_at: NullableTimestamp
}

export interface OpenProblemsView {
  problem_id: string
  entra_tenant_id: string
  code: string
  message: string
  remedy: string
  who_acts: ProblemsTable['who_acts']
  request_id: string | null
  topic: string
  opened_at: Date
  seen_at: Date
  closed_at: Date | null
  silenced: boolean
}

export interface SchemaMigrationsTable {
  version: number
  name: string
  checksum: string
  applied_at: DefaultTimestamp
  compatible: Generated<boolean>
}

export type DesiredState = 'installed' | 'uninstalled' | 'update_if_found' | 'ignored'
export type Enforcement = 'required' | 'onboarding' | 'ad_hoc'
export type DeploymentScope = 'cross_tenant' | 'single_tenant' | 'individual'
export type TargetType =
  'everyone' | 'group' | 'group_name' | 'team' | 'license' | 'app_entitlement' | 'tag' | 'person' | 'computer'
export type SubjectKind = 'person' | 'computer'

export interface MaintenanceItemsTable {
  item_id: Generated<string>
  name: string
  kind: Generated<'software' | 'task'>
  created_at: DefaultTimestamp
}

export interface DeploymentsTable {
  deployment_id: Generated<string>
  name: string
  item_id: string
  version: Generated<string>
  desired_state: Generated<DesiredState>
  enforcement: Generated<Enforcement>
  scope: DeploymentScope
  tenant_id: string | null
  target_type: TargetType
  target: Json
  excludes: Json
  filters: Json
  enabled: Generated<boolean>
  rank: Generated<number>
  source: Generated<string>
  created_at: DefaultTimestamp
  updated_at: DefaultTimestamp
}

export interface DeploymentTermsView {
  deployment_id: string
  term: number
  excluded: boolean
  type: TargetType
  group_id: string | null
  group_name: string | null
  group_pattern: string | null
  sku_id: string | null
  service_plan_id: string | null
  entitlement: string | null
  tag: string | null
  person_id: string | null
  computer_id: string | null
}

export interface DeploymentRootsView {
  deployment_id: string
  term: number
  excluded: boolean
  entra_tenant_id: string
  group_id: string
}

export interface AppEntitlementsTable {
  entitlement: string
  product_name: string
  yields_to: string | null
  source: Generated<'built_in' | 'configuration'>
}

export interface AppEntitlementPlansTable {
  entitlement: string
  service_plan_id: string
  service_plan_name: string
  source: Generated<'built_in' | 'configuration'>
}

export interface ComputersTable {
  computer_id: Generated<string>
  tenant_id: string
  name: string
  primary_user_principal_name: string | null
  entra_device_id: string | null
  created_at: DefaultTimestamp
  changed_at: DefaultTimestamp
}

export interface TenantFamiliesView {
  tenant_id: string
  family_id: string
  entra_tenant_id: string | null
}

export interface TargetRunsTable {
  run_id: Generated<string>
  trigger: string
  started_at: DefaultTimestamp
  finished_at: NullableTimestamp
  families: number
  assigned: Generated<number>
  changed: Generated<number>
  unassigned: Generated<number>
  held: Generated<number>
}

export interface DeploymentTargetsTable {
  tenant_id: string
  family_id: string
  subject_kind: SubjectKind
  subject_id: string
  item_id: string
  deployment_id: string
  scope: DeploymentScope
  version: string
  desired_state: DesiredState
  enforcement: Enforcement
  reason: Json
  since: DefaultTimestamp
  run_id: string | null
}

export interface ComputerTargetsView {
  computer_id: string
  tenant_id: string
  computer_name: string
  item_id: string
  deployment_id: string
  version: string
  desired_state: DesiredState
  enforcement: Enforcement
  scope: DeploymentScope
  reason: unknown
  since: Date
  through: SubjectKind
  person_id: string | null
}

export interface TargetChangesTable {
  seq: number
  at: DefaultTimestamp
  tenant_id: string
  subject_kind: SubjectKind
  subject_id: string
  item_id: string
  change: 'assigned' | 'changed' | 'unassigned'
  reason: Json
  before: Json | null
  after: Json | null
  run_id: string | null
  deliberate: Generated<boolean>
}

export interface TargetFeedTable {
  only_row: Generated<boolean>
  last_seq: Generated<number>
  floor_seq: Generated<number>
}

export interface LicenseGraceLookTable {
  only_row: Generated<boolean>
  looked_at: DefaultTimestamp
  grace: string | null
}

export interface TargetFamiliesTable {
  family_id: string
  first_resolved_at: DefaultTimestamp
  resolved_at: DefaultTimestamp
  whole_at: DefaultTimestamp
}

export interface TargetDirtTable {
  dirt_id: Generated<number>
  family_id: string
  kind: 'all' | 'subject' | 'object' | 'sku' | 'deployment'
  id: string | null
  item_id: string | null
  deliberate: Generated<boolean>
  at: DefaultTimestamp
}

export interface TargetFamilyStatusView {
  family_id: string
  frozen: 'gone' | 'offboarded' | 'gdap_ended' | 'never_synced' | 'restored' | 'sync_not_whole' | null
}

export interface DeploymentWarningsView {
  deployment_id: string
  family_id: string | null
  code: string
  message: string
}

export interface TargetFailuresTable {
  family_id: string
  failures: Generated<number>
  failed_at: DefaultTimestamp
  retry_at: DefaultTimestamp
  code: string
  message: string
}
