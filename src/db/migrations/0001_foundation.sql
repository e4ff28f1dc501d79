-- Synced rows are keyed by entra_tenant_id; edges carry no foreign keys to their ends,
-- because Graph delivers edges before the objects they join.

-- Tenants and links ------------------------------------------------------------------------------------------

create table tenants (
  tenant_id uuid primary key default gen_random_uuid(),
  name text not null check (name <> ''),
  slug text not null unique check (slug ~ '^[a-z0-9][a-z0-9-]*$'),
  parent_tenant_id uuid references tenants,
  is_msp boolean not null default false,
  in_cross_tenant_deployments boolean not null default true,
  targets_dirty_seq bigint not null default 0,
  targets_clean_seq bigint not null default 0,
  created_at timestamptz not null default now(),
  check (parent_tenant_id <> tenant_id)
);
create unique index tenants_one_msp on tenants (is_msp) where is_msp;
comment on table tenants is 'ImmyBot tenants: one customer of the MSP, or the MSP itself.';

create table entra_tenants (
  entra_tenant_id uuid primary key,
  display_name text,
  default_domain text,
  domains text[] not null default '{}',
  partner_entra_tenant_id uuid references entra_tenants,
  permission_level text not null default 'default' check (permission_level in ('default', 'custom')),
  app_id uuid,
  sync_enabled boolean not null default true,
  sync_interval interval check (sync_interval > interval '0'),
  next_sync_at timestamptz not null default now(),
  last_synced_at timestamptz,
  last_full_at timestamptz,
  organization_read_at timestamptz,
  devices_read_at timestamptz,
  teams_read_at timestamptz,
  license_sources_read_at timestamptz,
  next_discovery_at timestamptz,
  paused_at timestamptz,
  gone_at timestamptz,
  consecutive_failures int not null default 0,
  created_at timestamptz not null default now()
);
create index entra_tenants_due on entra_tenants (next_sync_at) where sync_enabled and paused_at is null and gone_at is null;
comment on table entra_tenants is 'Microsoft Entra tenants (directories) that are synced. Kind and state are derived: see view tenant_status.';
comment on column entra_tenants.last_synced_at is 'When users, groups and skus were last read to their ends: freshness is measured from here.';
comment on column entra_tenants.next_discovery_at is 'Partners: when the GDAP customers are next read; null = not yet.';
comment on column entra_tenants.last_full_at is 'When the last full round of all required collections ended.';

create table tenant_links (
  tenant_id uuid primary key references tenants on delete cascade,
  entra_tenant_id uuid not null references entra_tenants,
  domain text check (domain = lower(domain) and domain <> '')
);
create unique index tenant_links_default on tenant_links (entra_tenant_id) where domain is null;
create unique index tenant_links_domain on tenant_links (domain) where domain is not null;
comment on table tenant_links is 'Which ImmyBot tenant an Entra tenant''s persons belong to; domain null is the default link.';

create table gdap_customers (
  partner_entra_tenant_id uuid not null references entra_tenants,
  entra_tenant_id uuid not null,
  display_name text,
  first_seen_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  missing_since timestamptz,
  primary key (partner_entra_tenant_id, entra_tenant_id)
);
comment on table gdap_customers is 'Customers that the partner''s GDAP list names, imported or not. Only a list read to its end sets missing_since.';

create table gdap_relationships (
  relationship_id text primary key,
  partner_entra_tenant_id uuid not null references entra_tenants,
  entra_tenant_id uuid,
  display_name text,
  status text not null,
  roles text[] not null default '{}',
  created_at timestamptz,
  activated_at timestamptz,
  ends_at timestamptz,
  auto_extends boolean not null default false,
  last_seen_at timestamptz not null default now(),
  missing_since timestamptz
);
create index gdap_relationships_customer on gdap_relationships (entra_tenant_id);
comment on column gdap_relationships.entra_tenant_id is 'The customer; null until the customer has approved.';
comment on column gdap_relationships.roles is 'Role template ids that the relationship grants to the partner''s groups.';

-- Synced rows --------------------------------------------------------------------------------------------------

create table persons (
  person_id uuid primary key default gen_random_uuid(),
  entra_tenant_id uuid not null references entra_tenants,
  object_id uuid,
  tenant_id uuid references tenants,
  user_principal_name text,
  mail text,
  display_name text,
  given_name text,
  surname text,
  job_title text,
  department text,
  company_name text,
  office_location text,
  usage_location text,
  employee_id text,
  account_enabled boolean,
  user_type text,
  on_premises_sync_enabled boolean,
  on_premises_sam_account_name text,
  on_premises_security_identifier text,
  protected_reason text,
  tags text[] not null default '{}',
  first_seen_at timestamptz not null default now(),
  changed_at timestamptz not null default now(),
  deleted_at timestamptz,
  unique (entra_tenant_id, object_id)
);
create index persons_upn on persons (entra_tenant_id, lower(user_principal_name));
create index persons_tenant on persons (tenant_id) where deleted_at is null;
create index persons_hand_made on persons (entra_tenant_id, lower(user_principal_name)) where object_id is null;
comment on table persons is 'Graph users as ImmyBot sees them. deleted_at: soft-deleted, restored with id and tags within 30 days.';
comment on column persons.object_id is 'Graph object id; null for a person made by hand that no sync has adopted yet.';
comment on column persons.tenant_id is 'ImmyBot tenant by link and domain; null = no link = no targets.';

create table person_licenses (
  entra_tenant_id uuid not null,
  object_id uuid not null,
  sku_id uuid not null,
  disabled_plans uuid[] not null default '{}',
  primary key (entra_tenant_id, object_id, sku_id)
);
create index person_licenses_sku on person_licenses (entra_tenant_id, sku_id);
comment on table person_licenses is 'Effective licences (direct and through groups), minus disabled_plans.';

create table person_license_sources (
  entra_tenant_id uuid not null,
  object_id uuid not null,
  sku_id uuid not null,
  assigned_by_group uuid,
  state text,
  error text
);
create unique index person_license_sources_key on person_license_sources
  (entra_tenant_id, object_id, sku_id, assigned_by_group) nulls not distinct;
create table license_sources_due (
  entra_tenant_id uuid not null,
  object_id uuid not null,
  primary key (entra_tenant_id, object_id)
);
comment on table license_sources_due is 'Persons whose licences changed since their sources were read: the read follows the round and may outlive a crash.';
comment on table person_license_sources is 'Where a licence comes from; assigned_by_group null = assigned directly. Delta does not tell of changes here: read daily and after a licence change.';

create table groups (
  entra_tenant_id uuid not null references entra_tenants,
  object_id uuid not null,
  display_name text,
  mail text,
  mail_nickname text,
  kind text not null check (kind in ('security', 'microsoft365', 'mail_enabled_security', 'distribution')),
  security_enabled boolean,
  mail_enabled boolean,
  on_premises_sync_enabled boolean,
  is_dynamic boolean not null default false,
  is_team boolean not null default false,
  team_archived boolean,
  team_read_at timestamptz,
  visibility text,
  members_visible boolean not null default true,
  changed_at timestamptz not null default now(),
  deleted_at timestamptz,
  primary key (entra_tenant_id, object_id)
);
create index groups_name on groups (entra_tenant_id, lower(display_name)) where deleted_at is null;
comment on column groups.team_archived is 'null = unknown: archived state is an optional read, at most daily.';
comment on column groups.members_visible is 'false = hidden membership that we may not read: never to be taken as an empty group.';

create table group_members (
  entra_tenant_id uuid not null,
  group_id uuid not null,
  member_id uuid not null,
  member_type text not null check (member_type in ('user', 'group', 'device', 'service_principal', 'contact', 'other')),
  primary key (entra_tenant_id, group_id, member_id)
);
create index group_members_member on group_members (entra_tenant_id, member_id);
comment on table group_members is 'Direct edges. Effective members are edges to live persons: Graph keeps soft-deleted users as members.';

create table devices (
  entra_tenant_id uuid not null references entra_tenants,
  object_id uuid not null,
  device_id uuid,
  display_name text,
  operating_system text,
  account_enabled boolean,
  changed_at timestamptz not null default now(),
  primary key (entra_tenant_id, object_id)
);
comment on column devices.device_id is 'The device''s own id (dsregcmd, Intune azureADDeviceId); object_id is what group memberships hold.';

create table subscribed_skus (
  entra_tenant_id uuid not null references entra_tenants,
  sku_id uuid not null,
  sku_part_number text not null,
  product_name text,
  capability_status text,
  status_since timestamptz not null default now(),
  applies_to text,
  enabled int not null default 0,
  consumed int not null default 0,
  suspended int not null default 0,
  warning int not null default 0,
  primary key (entra_tenant_id, sku_id)
);

create table sku_service_plans (
  entra_tenant_id uuid not null,
  sku_id uuid not null,
  service_plan_id uuid not null,
  service_plan_name text not null,
  provisioning_status text,
  primary key (entra_tenant_id, sku_id, service_plan_id),
  foreign key (entra_tenant_id, sku_id) references subscribed_skus on delete cascade
);

-- The engine ---------------------------------------------------------------------------------------------------

create table sync_requests (
  entra_tenant_id uuid primary key references entra_tenants on delete cascade,
  requested_seq bigint not null default 0,
  served_seq bigint not null default 0,
  mode text not null default 'delta' check (mode in ('delta', 'full')),
  collections text[],
  priority int not null default 20,
  requested_by text[] not null default '{}',
  requested_at timestamptz,
  serving_seq bigint,
  serving_mode text check (serving_mode in ('delta', 'full')),
  serving_collections text[],
  serving_priority int,
  serving_by text[],
  check (served_seq <= requested_seq)
);
comment on table sync_requests is 'What is wanted. Queue jobs are wake-ups only: a lost queue loses nothing. serving_* is what the current run took; it goes back into the request when the run fails.';
comment on column sync_requests.collections is 'null = all.';

create table sync_leases (
  entra_tenant_id uuid primary key references entra_tenants on delete cascade,
  run_seq bigint not null default 0,
  worker text,
  expires_at timestamptz not null default '-infinity',
  claims_without_page int not null default 0,
  throttled_until timestamptz,
  run_id uuid
);
comment on table sync_leases is 'The right of one worker to sync one Entra tenant now. Every write of a run proves its run_seq first.';

create table sync_cursors (
  entra_tenant_id uuid not null references entra_tenants on delete cascade,
  collection text not null,
  start_link text,
  next_link text,
  round_id uuid,
  round_mode text check (round_mode in ('delta', 'full')),
  round_started_at timestamptz,
  round_pages int not null default 0,
  round_added int not null default 0,
  round_changed int not null default 0,
  round_removed int not null default 0,
  round_unchanged int not null default 0,
  round_linked int not null default 0,
  round_sweeps boolean not null default false,
  round_basis text,
  restarts int not null default 0,
  partial_rounds int not null default 0,
  drift_rounds int not null default 0,
  full_round_due boolean not null default false,
  completed_at timestamptz,
  last_full_at timestamptz,
  served_seq bigint not null default 0,
  select_hash text,
  app_id uuid,
  permissions_hash text,
  primary key (entra_tenant_id, collection)
);
comment on column sync_cursors.start_link is 'deltaLink of the last complete round; null = the next round is full. Replaced only when a round is complete.';
comment on column sync_cursors.round_linked is 'Memberships or licences that the running round has added or changed.';
comment on column sync_cursors.round_sweeps is 'The running round is full over rows that were there before it: it notes what it sees, to sweep the rest. The first one need not.';
comment on column sync_cursors.round_basis is 'Properties, app and permissions that the running round was begun with: with others it is not gone on with.';
comment on column sync_cursors.next_link is 'Next page of the running round, committed together with the page before it.';
comment on column sync_cursors.served_seq is 'sync_requests.serving_seq that this collection''s last round served: a resumed run does not read it again.';

create table sync_seen (
  round_id uuid not null,
  kind text not null,
  key uuid[] not null,
  cleared text[] not null default '{}',
  primary key (round_id, kind, key)
);
comment on table sync_seen is 'Keys a running full round has seen; what it has not seen at its end is a candidate for removal. cleared: filled columns the round did not show.';

create table sync_pending_removals (
  round_id uuid not null,
  entra_tenant_id uuid not null references entra_tenants on delete cascade,
  kind text not null check (kind in ('person', 'group', 'membership', 'license', 'device', 'sku')),
  key uuid[] not null,
  purged boolean not null default false,
  first_seen_at timestamptz not null default now(),
  primary key (round_id, kind, key)
);
comment on table sync_pending_removals is 'Removals read in a running round; nothing is removed before the round is complete and the guard agrees.';
comment on column sync_pending_removals.purged is 'Graph said it cannot be restored (reason deleted): edges to it go too, because delta need not tell of them.';
comment on column sync_pending_removals.key is 'person, group, device: object id; membership: group id, member id; license: object id, sku id; sku: sku id.';

create table sync_runs (
  run_id uuid primary key default gen_random_uuid(),
  entra_tenant_id uuid not null references entra_tenants on delete cascade,
  trigger text[] not null default '{}',
  mode text not null check (mode in ('delta', 'full')),
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  outcome text check (outcome in ('succeeded', 'partial', 'held', 'failed', 'fenced')),
  slices int not null default 0,
  collections jsonb not null default '{}',
  requests int not null default 0,
  resource_units int not null default 0,
  throttled_ms bigint not null default 0,
  error_kind text,
  error_code text,
  error_message text,
  error_request_id text
);
create index sync_runs_latest on sync_runs (entra_tenant_id, started_at desc);
comment on column sync_runs.collections is 'Per collection: verdict, mode, pages; added, changed, removed, unchanged objects; linked, unlinked memberships or licences; held, notice.';

create table applied_removals (
  entra_tenant_id uuid not null references entra_tenants on delete cascade,
  kind text not null,
  at timestamptz not null default now(),
  count int not null
);
create index applied_removals_window on applied_removals (entra_tenant_id, kind, at);
comment on table applied_removals is 'What the guard let through, so that a slow drip over 24 h is judged as one set.';

create table holds (
  hold_id uuid primary key default gen_random_uuid(),
  entra_tenant_id uuid not null references entra_tenants on delete cascade,
  kind text not null check (kind in ('person', 'group', 'membership', 'license', 'device', 'sku')),
  reason text not null,
  size int not null,
  of_total int not null,
  status text not null default 'open' check (status in ('open', 'approved', 'rejected', 'withdrawn')),
  created_at timestamptz not null default now(),
  closed_at timestamptz,
  run_id uuid
);
create index holds_open on holds (entra_tenant_id) where status = 'open';
comment on table holds is 'Sets of removals too large to be believed: nothing in them is applied until an operator approves exactly that set.';

create table hold_items (
  hold_id uuid not null references holds on delete cascade,
  entra_tenant_id uuid not null,
  kind text not null,
  key uuid[] not null,
  primary key (hold_id, key)
);
create index hold_items_key on hold_items (entra_tenant_id, kind, key);

create table problems (
  problem_id uuid primary key default gen_random_uuid(),
  entra_tenant_id uuid not null references entra_tenants on delete cascade,
  code text not null,
  message text not null,
  remedy text not null,
  who_acts text not null check (who_acts in ('operator', 'customer_admin', 'partner_admin', 'microsoft')),
  request_id text,
  topic text not null default 'other',
  opened_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  closed_at timestamptz
);
create unique index problems_open on problems (entra_tenant_id, code) where closed_at is null;
comment on table problems is 'Proved, open faults of an Entra tenant. One closes itself when a read disproves it.';
comment on column problems.topic is 'What disproves it: access, organization, lease, or a collection''s name; a run closes the topics it has read well.';

create table audit_log (
  audit_id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  actor text not null,
  action text not null,
  entra_tenant_id uuid,
  tenant_id uuid,
  detail jsonb not null default '{}'
);
comment on table audit_log is 'Who did what: operators'' acts, not sync noise.';

-- tenant_id of persons -----------------------------------------------------------------------------------------

create function assign_tenants(of_entra_tenant uuid, of_objects uuid[] default null) returns bigint
language plpgsql as $$
declare
  moved bigint;
begin
  -- Planned anew for each call: a plan kept from when the table was small scans all persons for every page.
  execute '
    with wanted as (
      select p.person_id, coalesce(by_domain.tenant_id, by_default.tenant_id) as tenant_id
      from entra_sync.persons p
      left join entra_sync.tenant_links by_domain on by_domain.entra_tenant_id = p.entra_tenant_id
        and by_domain.domain = lower(split_part(p.user_principal_name, ''@'', 2))
      left join entra_sync.tenant_links by_default on by_default.entra_tenant_id = p.entra_tenant_id
        and by_default.domain is null
      where p.entra_tenant_id = $1'
    || case when of_objects is null then '' else ' and p.object_id = any ($2)' end || '
        and p.tenant_id is distinct from coalesce(by_domain.tenant_id, by_default.tenant_id)
    )
    update entra_sync.persons p set tenant_id = w.tenant_id from wanted w where w.person_id = p.person_id'
  using of_entra_tenant, of_objects;
  get diagnostics moved = row_count;
  return moved;
end
$$;
comment on function assign_tenants is 'The only writer of persons.tenant_id: by exact, case-blind UPN domain, else the default link. Returns how many moved.';

-- tenant_status ------------------------------------------------------------------------------------------------

create view gdap_status as
select entra_tenant_id,
  bool_or(status = 'active' and (missing_since is null or missing_since > now() - interval '24 hours')
    and (auto_extends or ends_at is null or ends_at > now() - interval '24 hours')) as active,
  max(ends_at) filter (where status = 'active') as ends_at,
  bool_or(auto_extends) filter (where status = 'active') as auto_extends
from gdap_relationships
where entra_tenant_id is not null and coalesce(display_name, '') not like 'MLT\_%'
group by entra_tenant_id;
comment on view gdap_status is 'Whether any relationship of a customer is active. Microsoft-led transition relationships (MLT_) do not count; one that a whole list lacks, or that is past its end without the partner''s list having been read since, counts for 24 h more, to ride out renewals.';

create view tenant_status as
select e.entra_tenant_id,
  e.display_name,
  e.default_domain,
  case
    when e.partner_entra_tenant_id is not null then 'customer'
    when exists (select 1 from entra_tenants c where c.partner_entra_tenant_id = e.entra_tenant_id)
      or exists (select 1 from tenant_links l join tenants t using (tenant_id) where l.entra_tenant_id = e.entra_tenant_id and t.is_msp)
      then 'partner'
    else 'standalone'
  end as kind,
  case
    when e.gone_at is not null then 'gone'
    when not e.sync_enabled then 'disabled'
    when e.paused_at is not null then 'paused'
    when e.partner_entra_tenant_id is not null and not coalesce(g.active, false) then 'gdap_ended'
    when p.problems > 0 then 'problem'
    when e.last_synced_at is null then 'new'
    when h.holds > 0 then 'held'
    else 'ok'
  end as state,
  e.gone_at is null and e.sync_enabled and e.paused_at is null
    and (e.partner_entra_tenant_id is null or coalesce(g.active, false)) as scheduled,
  g.active as gdap_active,
  g.ends_at as gdap_ends_at,
  g.auto_extends as gdap_auto_extends,
  coalesce(p.problems, 0) as problems,
  coalesce(h.holds, 0) as holds,
  coalesce(h.held, 0) as held,
  e.next_sync_at,
  e.last_synced_at,
  e.last_full_at,
  e.consecutive_failures,
  r.run_id as last_run_id,
  r.started_at as last_run_started_at,
  r.finished_at as last_run_finished_at,
  r.outcome as last_run_outcome,
  r.error_code as last_run_error_code,
  r.error_message as last_run_error_message,
  (select count(*) from persons x where x.entra_tenant_id = e.entra_tenant_id and x.deleted_at is null) as users,
  (select count(*) from groups x where x.entra_tenant_id = e.entra_tenant_id and x.deleted_at is null) as groups,
  (select count(*) from group_members x where x.entra_tenant_id = e.entra_tenant_id) as members,
  (select count(*) from groups x where x.entra_tenant_id = e.entra_tenant_id and x.deleted_at is null and x.is_team) as teams,
  (select count(*) from subscribed_skus x where x.entra_tenant_id = e.entra_tenant_id) as skus,
  (select count(*) from devices x where x.entra_tenant_id = e.entra_tenant_id) as devices
from entra_tenants e
left join gdap_status g using (entra_tenant_id)
left join lateral (select count(*) as problems from problems x where x.entra_tenant_id = e.entra_tenant_id and x.closed_at is null) p on true
left join lateral (select count(*) as holds, sum(x.size) as held from holds x where x.entra_tenant_id = e.entra_tenant_id and x.status = 'open') h on true
left join lateral (select * from sync_runs x where x.entra_tenant_id = e.entra_tenant_id order by x.started_at desc limit 1) r on true;
comment on view tenant_status is 'Kind, state, freshness, counts and last run of every Entra tenant: derived, never stored.';
