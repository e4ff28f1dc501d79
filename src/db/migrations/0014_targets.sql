-- Deployments, computers, and the targets that are resolved from them.

-- What is deployed, and to whom ----------------------------------------------------------------------------------

create table maintenance_items (
  item_id uuid primary key default gen_random_uuid(),
  name text not null check (name <> ''),
  kind text not null default 'software' check (kind in ('software', 'task')),
  created_at timestamptz not null default now()
);
create unique index maintenance_items_name on maintenance_items (lower(name));
comment on table maintenance_items is 'Software and tasks that ImmyBot can put on a computer, known by their names.';

create function is_uuid(value text) returns boolean language sql immutable parallel safe
return coalesce(value ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$', false);

create function is_deployment_target(type text, target jsonb) returns boolean language sql immutable parallel safe
return coalesce(case type
  when 'everyone' then true
  when 'group' then entra_sync.is_uuid(target ->> 'group_id')
  when 'team' then entra_sync.is_uuid(target ->> 'group_id')
  when 'group_name' then (target ? 'name') <> (target ? 'pattern') and coalesce(target ->> 'name', target ->> 'pattern') <> ''
  when 'license' then (target ? 'sku_id') <> (target ? 'service_plan_id')
    and entra_sync.is_uuid(coalesce(target ->> 'sku_id', target ->> 'service_plan_id'))
  when 'app_entitlement' then target ->> 'entitlement' ~ '^[a-z0-9_]+$'
  when 'tag' then target ->> 'tag' <> ''
  when 'person' then entra_sync.is_uuid(target ->> 'person_id')
  when 'computer' then entra_sync.is_uuid(target ->> 'computer_id')
end, false);
comment on function is_deployment_target is 'Keys by type. group, team: group_id. group_name: name or pattern (* and ?). license: sku_id or service_plan_id. app_entitlement: entitlement. tag: tag. person: person_id. computer: computer_id.';

create function are_deployment_excludes(excludes jsonb) returns boolean language sql immutable parallel safe
return jsonb_typeof(excludes) = 'array' and not exists (
  select from jsonb_array_elements(excludes) x
  where jsonb_typeof(x) <> 'object' or not entra_sync.is_deployment_target(x ->> 'type', x)
);

create function are_deployment_filters(filters jsonb) returns boolean language sql immutable parallel safe
return jsonb_typeof(filters) = 'object'
  and filters - array['accounts', 'guests', 'departments', 'domains'] = '{}'
  and coalesce(filters ->> 'accounts', 'enabled') in ('enabled', 'disabled', 'any')
  and coalesce(filters ->> 'guests', 'exclude') in ('exclude', 'include', 'only')
  and coalesce(jsonb_typeof(filters -> 'departments'), 'array') = 'array'
  and coalesce(jsonb_typeof(filters -> 'domains'), 'array') = 'array';

create table deployments (
  deployment_id uuid primary key default gen_random_uuid(),
  name text not null unique check (name <> ''),
  item_id uuid not null references maintenance_items,
  version text not null default 'latest' check (version <> ''),
  desired_state text not null default 'installed'
    check (desired_state in ('installed', 'uninstalled', 'update_if_found', 'ignored')),
  enforcement text not null default 'required' check (enforcement in ('required', 'onboarding', 'ad_hoc')),
  scope text not null check (scope in ('cross_tenant', 'single_tenant', 'individual')),
  tenant_id uuid references tenants,
  target_type text not null,
  target jsonb not null default '{}',
  excludes jsonb not null default '[]' check (are_deployment_excludes(excludes)),
  filters jsonb not null default '{}' check (are_deployment_filters(filters)),
  enabled boolean not null default true,
  rank int not null default 100,
  source text not null default 'table',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint deployments_target check (is_deployment_target(target_type, target)),
  constraint deployments_tenant check ((scope = 'single_tenant') = (tenant_id is not null)),
  constraint deployments_individual check ((scope = 'individual') = (target_type in ('person', 'computer'))),
  constraint deployments_group check (target_type not in ('group', 'team') or scope = 'single_tenant')
);
create index deployments_item on deployments (item_id);
comment on table deployments is 'Rules: which persons and computers get which maintenance item, in which version and state. Known by name; rows may be written by ImmyBot or by `deployments apply`.';
comment on column deployments.version is 'latest, any, or an exact one as the item''s vendor writes it.';
comment on column deployments.tenant_id is 'Scope single_tenant: this tenant and those below it.';
comment on column deployments.target is 'Keys by target_type, see is_deployment_target.';
comment on column deployments.excludes is 'Array of targets with their type, as {"type": "group", "group_id": …}: whom it does not reach all the same.';
comment on column deployments.filters is 'accounts: enabled (default), disabled, any; guests: exclude (default), include, only; departments, domains: lower case, any of them.';
comment on column deployments.rank is 'Between deployments of equal scope and target type the lower one wins.';
comment on column deployments.source is 'Which file it comes from: prune removes only what its own file lacks. table = written by SQL or the API.';

create function glob_like(pattern text) returns text language sql immutable parallel safe
return translate(replace(replace(replace(lower(pattern), '\', '\\'), '%', '\%'), '_', '\_'), '*?', '%_');
comment on function glob_like is 'A LIKE pattern of a name pattern in which * stands for anything and ? for one character, case-blind.';

-- A deployment names a group by its object id alone.
create index groups_object on groups (object_id);

create view deployment_terms as
select t.deployment_id, t.term, t.term > 0 as excluded, t.type,
  (t.target ->> 'group_id')::uuid as group_id,
  lower(t.target ->> 'name') as group_name,
  entra_sync.glob_like(t.target ->> 'pattern') as group_pattern,
  (t.target ->> 'sku_id')::uuid as sku_id,
  (t.target ->> 'service_plan_id')::uuid as service_plan_id,
  t.target ->> 'entitlement' as entitlement,
  lower(t.target ->> 'tag') as tag,
  (t.target ->> 'person_id')::uuid as person_id,
  (t.target ->> 'computer_id')::uuid as computer_id
from (
  select d.deployment_id, 0 as term, d.target_type as type, d.target from deployments d
  union all
  select d.deployment_id, x.term::int, x.target ->> 'type', x.target
  from deployments d cross join lateral jsonb_array_elements(d.excludes) with ordinality as x (target, term)
) t;
comment on view deployment_terms is 'What each deployment names: term 0 is its target, the others are its excludes.';

create view deployment_roots as
select t.deployment_id, t.term, t.excluded, g.entra_tenant_id, g.object_id as group_id
from deployment_terms t join groups g on g.object_id = t.group_id and g.deleted_at is null
union all
select t.deployment_id, t.term, t.excluded, g.entra_tenant_id, g.object_id
from deployment_terms t join groups g on lower(g.display_name) = t.group_name and g.deleted_at is null
union all
select t.deployment_id, t.term, t.excluded, g.entra_tenant_id, g.object_id
from deployment_terms t join groups g on lower(g.display_name) like t.group_pattern and g.deleted_at is null
where t.group_pattern is not null;
comment on view deployment_roots is 'The live groups that deployments name, by id, name or pattern, in each Entra tenant.';

-- App entitlements -----------------------------------------------------------------------------------------------

create table app_entitlements (
  entitlement text primary key check (entitlement ~ '^[a-z0-9_]+$'),
  product_name text not null,
  yields_to text references app_entitlements,
  source text not null default 'configuration' check (source in ('built_in', 'configuration'))
);
comment on table app_entitlements is 'Desktop products that a licence may give.';
comment on column app_entitlements.yields_to is 'Who is entitled to that one too gets that one only: the two editions of Office cannot be installed together.';

create table app_entitlement_plans (
  entitlement text not null references app_entitlements on delete cascade,
  service_plan_id uuid not null,
  service_plan_name text not null,
  source text not null default 'configuration' check (source in ('built_in', 'configuration')),
  primary key (entitlement, service_plan_id)
);
comment on table app_entitlement_plans is 'Service plans that give a product, from Microsoft''s table of product names and service plan identifiers (July 2026). Web, mobile, device and unattended plans give none.';

insert into app_entitlements (entitlement, product_name, yields_to, source) values
  ('m365_apps_enterprise', 'Microsoft 365 Apps for enterprise', null, 'built_in'),
  ('m365_apps_business', 'Microsoft 365 Apps for business', 'm365_apps_enterprise', 'built_in'),
  ('project_desktop', 'Project desktop', null, 'built_in'),
  ('visio_desktop', 'Visio desktop', null, 'built_in');
insert into app_entitlement_plans (entitlement, service_plan_id, service_plan_name, source) values
  ('m365_apps_enterprise', '43de0ff5-c92c-492b-9116-175376d08c38', 'OFFICESUBSCRIPTION', 'built_in'),
  ('m365_apps_enterprise', 'de9234ff-6483-44d9-b15e-dca72fdd27af', 'OFFICESUBSCRIPTION_GOV', 'built_in'),
  ('m365_apps_business', '094e7854-93fc-4d55-b2c0-3ab5369ebdc1', 'OFFICE_BUSINESS', 'built_in'),
  ('m365_apps_business', '8ca59559-e2ca-470b-b7dd-afd8c0dee963', 'OFFICE_PRO_PLUS_SUBSCRIPTION_SMBIZ', 'built_in'),
  ('project_desktop', 'fafd7243-e5c1-4a3a-9e40-495efcb1d3c3', 'PROJECT_CLIENT_SUBSCRIPTION', 'built_in'),
  ('project_desktop', '45c6831b-ad74-4c7f-bd03-7c2b3fa39067', 'PROJECT_CLIENT_SUBSCRIPTION_GOV', 'built_in'),
  ('visio_desktop', '663a804f-1c30-4ff0-9915-9db84f0d1cea', 'VISIO_CLIENT_SUBSCRIPTION', 'built_in'),
  ('visio_desktop', 'f85945f4-7a55-4009-bc39-6a5f14a8eac1', 'VISIO_CLIENT_SUBSCRIPTION_GOV', 'built_in');

-- Computers ------------------------------------------------------------------------------------------------------

create table computers (
  computer_id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references tenants,
  name text not null check (name <> ''),
  primary_user_principal_name text,
  entra_device_id uuid,
  created_at timestamptz not null default now(),
  changed_at timestamptz not null default now()
);
create index computers_tenant on computers (tenant_id);
create index computers_user on computers (lower(primary_user_principal_name));
create index computers_device on computers (entra_device_id);
comment on table computers is 'Fed by ImmyBot, through SQL, the API or `computers import`; a sync never writes them.';
comment on column computers.entra_device_id is 'The device''s own id, as devices.device_id.';

create view tenant_families as
select t.tenant_id, coalesce(l.entra_tenant_id, t.tenant_id) as family_id, l.entra_tenant_id
from tenants t
left join lateral (select x.entra_tenant_id from tenant_links x where x.tenant_id = t.tenant_id limit 1) l on true;
comment on view tenant_families is 'Tenants linked to one Entra tenant are one family: targets are resolved a family at a time, and computers find their persons inside it only. A tenant without a link is a family by itself.';

-- Targets --------------------------------------------------------------------------------------------------------

create table target_runs (
  run_id uuid primary key default gen_random_uuid(),
  trigger text not null,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  families int not null,
  assigned int not null default 0,
  changed int not null default 0,
  unassigned int not null default 0,
  held int not null default 0
);
create index target_runs_latest on target_runs (started_at desc);
comment on table target_runs is 'Resolutions that changed or held something.';

-- Without foreign keys: they would double the time of a resolution, and only the resolver writes here.
create table deployment_targets (
  tenant_id uuid not null,
  family_id uuid not null,
  subject_kind text not null check (subject_kind in ('person', 'computer')),
  subject_id uuid not null,
  item_id uuid not null,
  deployment_id uuid not null,
  scope text not null,
  version text not null,
  desired_state text not null,
  enforcement text not null,
  reason jsonb not null,
  since timestamptz not null default now(),
  run_id uuid,
  primary key (subject_id, item_id)
);
create index deployment_targets_family on deployment_targets (family_id, item_id);
create index deployment_targets_deployment on deployment_targets (deployment_id);
comment on table deployment_targets is 'Resolved: this person or computer gets this item in this version and state, because of this deployment, which won over all others. Written by the resolver only.';
comment on column deployment_targets.scope is 'The deployment''s, for the view computer_targets: it stays readable when the deployment has just gone.';
comment on column deployment_targets.reason is 'by: everyone, group (groups: from the member''s own group up to the one that the deployment names), license or app_entitlement (SKU and plan), tag, person, computer.';

create view computer_targets as
select distinct on (c.computer_id, t.item_id)
  c.computer_id, c.tenant_id, c.name as computer_name, t.item_id, t.deployment_id, t.version, t.desired_state,
  t.enforcement, t.scope, t.reason, t.since, t.subject_kind as through,
  case when t.subject_kind = 'person' then t.subject_id end as person_id
from computers c
join tenant_families f on f.tenant_id = c.tenant_id
left join lateral (
  select p.person_id from persons p
  where p.entra_tenant_id = f.entra_tenant_id and p.deleted_at is null and p.tenant_id is not null
    and lower(p.user_principal_name) = lower(c.primary_user_principal_name)
  order by p.object_id is null, p.first_seen_at, p.person_id limit 1
) u on true
join deployment_targets t on t.subject_id in (c.computer_id, u.person_id)
order by c.computer_id, t.item_id,
  array_position(array['individual', 'single_tenant', 'cross_tenant'], t.scope), t.subject_kind;
comment on view computer_targets is 'What each computer gets: the one winner over its own targets and its primary user''s. The narrower scope wins; at equal scope the computer''s own does. The primary user is looked for inside the tenant''s family only.';

create table target_changes (
  seq bigint primary key,
  at timestamptz not null default now(),
  tenant_id uuid not null,
  subject_kind text not null check (subject_kind in ('person', 'computer')),
  subject_id uuid not null,
  item_id uuid not null,
  change text not null check (change in ('assigned', 'changed', 'unassigned')),
  reason jsonb not null,
  before jsonb,
  after jsonb,
  run_id uuid,
  deliberate boolean not null default false
);
create index target_changes_guarded on target_changes (tenant_id, at) where not deliberate;
comment on table target_changes is 'Every change of deployment_targets, in commit order.';
comment on column target_changes.before is 'deployment_id, scope, version, desired_state, enforcement before the change; null when assigned.';
comment on column target_changes.deliberate is 'Follows from an operator''s act or a first resolution: the guard does not count it.';

create table target_feed (
  only_row boolean primary key default true check (only_row),
  last_seq bigint not null default 0,
  floor_seq bigint not null default 0
);
insert into target_feed default values;
comment on table target_feed is 'Where target_changes ends, and below which seq it has been cut.';

-- What is to be resolved anew ------------------------------------------------------------------------------------

create table target_families (
  family_id uuid primary key,
  first_resolved_at timestamptz not null default now(),
  resolved_at timestamptz not null default now(),
  whole_at timestamptz not null default now()
);
comment on table target_families is 'Families whose targets were resolved: the first resolution is exempt from the guard.';

create table target_dirt (
  dirt_id bigint generated always as identity primary key,
  family_id uuid not null,
  kind text not null check (kind in ('all', 'subject', 'object', 'sku', 'deployment')),
  id uuid,
  item_id uuid,
  deliberate boolean not null default false,
  at timestamptz not null default now()
);
create index target_dirt_family on target_dirt (family_id);
comment on table target_dirt is 'What has changed since it was resolved, written by triggers in the transaction of the change: subject = person or computer; object = Entra user, device or group, with all below it; sku = all who have it; deployment = its item. Duplicates are no fault: no key, so that parallel pages never wait for each other here.';

create view target_family_status as
select e.entra_tenant_id as family_id,
  case
    when e.gone_at is not null then 'gone'
    when e.offboarded_at is not null then 'offboarded'
    when e.partner_entra_tenant_id is not null and not coalesce(g.active, false) then 'gdap_ended'
    when e.last_synced_at is null then 'never_synced'
    when r.outcome in ('partial', 'failed') then 'sync_not_whole'
  end as frozen
from entra_tenants e
left join gdap_status g using (entra_tenant_id)
left join lateral (
  select x.outcome from sync_runs x
  where x.entra_tenant_id = e.entra_tenant_id and x.finished_at is not null and x.outcome <> 'fenced'
  order by x.started_at desc limit 1
) r on true;
comment on view target_family_status is 'Why the targets of a family stay as they are for now; null = they are resolved.';

-- Pages of a first sync write no dirt: the first resolution reads everything anyway.
create function is_resolved_by_dirt(of_family uuid) returns boolean language sql stable
return not exists (select from entra_sync.entra_tenants e where e.entra_tenant_id = of_family and e.last_synced_at is null);

create function dirty_persons() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    insert into entra_sync.target_dirt (family_id, kind, id)
    select n.entra_tenant_id, 'subject', n.person_id from new_rows n join old_rows o using (person_id)
    where (n.tenant_id, n.object_id, n.user_principal_name, n.department, n.account_enabled, n.user_type, n.tags, n.deleted_at)
        is distinct from (o.tenant_id, o.object_id, o.user_principal_name, o.department, o.account_enabled, o.user_type, o.tags, o.deleted_at)
      and entra_sync.is_resolved_by_dirt(n.entra_tenant_id);
  elsif tg_op = 'INSERT' then
    insert into entra_sync.target_dirt (family_id, kind, id)
    select n.entra_tenant_id, 'subject', n.person_id from new_rows n where entra_sync.is_resolved_by_dirt(n.entra_tenant_id);
  else
    insert into entra_sync.target_dirt (family_id, kind, id)
    select o.entra_tenant_id, 'subject', o.person_id from old_rows o where entra_sync.is_resolved_by_dirt(o.entra_tenant_id);
  end if;
  return null;
end
$$;
create trigger persons_dirty_insert after insert on persons referencing new table as new_rows
  for each statement execute function dirty_persons();
create trigger persons_dirty_update after update on persons referencing old table as old_rows new table as new_rows
  for each statement execute function dirty_persons();
create trigger persons_dirty_delete after delete on persons referencing old table as old_rows
  for each statement execute function dirty_persons();

create function dirty_devices() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    insert into entra_sync.target_dirt (family_id, kind, id)
    select n.entra_tenant_id, 'subject', c.computer_id
    from new_rows n join old_rows o using (entra_tenant_id, object_id)
    join entra_sync.computers c on c.entra_device_id in (n.device_id, o.device_id)
    where (n.device_id, n.account_enabled) is distinct from (o.device_id, o.account_enabled)
      and entra_sync.is_resolved_by_dirt(n.entra_tenant_id);
  elsif tg_op = 'INSERT' then
    insert into entra_sync.target_dirt (family_id, kind, id)
    select n.entra_tenant_id, 'subject', c.computer_id
    from new_rows n join entra_sync.computers c on c.entra_device_id = n.device_id
    where entra_sync.is_resolved_by_dirt(n.entra_tenant_id);
  else
    insert into entra_sync.target_dirt (family_id, kind, id)
    select o.entra_tenant_id, 'subject', c.computer_id
    from old_rows o join entra_sync.computers c on c.entra_device_id = o.device_id
    where entra_sync.is_resolved_by_dirt(o.entra_tenant_id);
  end if;
  return null;
end
$$;
create trigger devices_dirty_insert after insert on devices referencing new table as new_rows
  for each statement execute function dirty_devices();
create trigger devices_dirty_update after update on devices referencing old table as old_rows new table as new_rows
  for each statement execute function dirty_devices();
create trigger devices_dirty_delete after delete on devices referencing old table as old_rows
  for each statement execute function dirty_devices();

create function dirty_members() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into entra_sync.target_dirt (family_id, kind, id)
    select distinct n.entra_tenant_id, 'object', n.member_id from new_rows n where entra_sync.is_resolved_by_dirt(n.entra_tenant_id);
  else
    insert into entra_sync.target_dirt (family_id, kind, id)
    select distinct o.entra_tenant_id, 'object', o.member_id from old_rows o where entra_sync.is_resolved_by_dirt(o.entra_tenant_id);
  end if;
  return null;
end
$$;
-- A changed row is a changed member_type only: the same object with the same name, whose reach is the same.
create trigger group_members_dirty_insert after insert on group_members referencing new table as new_rows
  for each statement execute function dirty_members();
create trigger group_members_dirty_delete after delete on group_members referencing old table as old_rows
  for each statement execute function dirty_members();

create function dirty_groups() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    insert into entra_sync.target_dirt (family_id, kind, id)
    select n.entra_tenant_id, 'object', n.object_id from new_rows n join old_rows o using (entra_tenant_id, object_id)
    where (n.display_name, n.deleted_at is null) is distinct from (o.display_name, o.deleted_at is null)
      and entra_sync.is_resolved_by_dirt(n.entra_tenant_id);
  elsif tg_op = 'INSERT' then
    insert into entra_sync.target_dirt (family_id, kind, id)
    select n.entra_tenant_id, 'object', n.object_id from new_rows n where entra_sync.is_resolved_by_dirt(n.entra_tenant_id);
  else
    insert into entra_sync.target_dirt (family_id, kind, id)
    select o.entra_tenant_id, 'object', o.object_id from old_rows o where entra_sync.is_resolved_by_dirt(o.entra_tenant_id);
  end if;
  return null;
end
$$;
create trigger groups_dirty_insert after insert on groups referencing new table as new_rows
  for each statement execute function dirty_groups();
create trigger groups_dirty_update after update on groups referencing old table as old_rows new table as new_rows
  for each statement execute function dirty_groups();
create trigger groups_dirty_delete after delete on groups referencing old table as old_rows
  for each statement execute function dirty_groups();

create function dirty_licenses() returns trigger language plpgsql as $$
begin
  if tg_op <> 'DELETE' then
    insert into entra_sync.target_dirt (family_id, kind, id)
    select distinct n.entra_tenant_id, 'object', n.object_id from new_rows n where entra_sync.is_resolved_by_dirt(n.entra_tenant_id);
  else
    insert into entra_sync.target_dirt (family_id, kind, id)
    select distinct o.entra_tenant_id, 'object', o.object_id from old_rows o where entra_sync.is_resolved_by_dirt(o.entra_tenant_id);
  end if;
  return null;
end
$$;
create trigger person_licenses_dirty_insert after insert on person_licenses referencing new table as new_rows
  for each statement execute function dirty_licenses();
create trigger person_licenses_dirty_update after update on person_licenses referencing new table as new_rows
  for each statement execute function dirty_licenses();
create trigger person_licenses_dirty_delete after delete on person_licenses referencing old table as old_rows
  for each statement execute function dirty_licenses();

create function dirty_skus() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    insert into entra_sync.target_dirt (family_id, kind, id)
    select n.entra_tenant_id, 'sku', n.sku_id from new_rows n join old_rows o using (entra_tenant_id, sku_id)
    where (n.capability_status, n.status_since, n.sku_part_number) is distinct from (o.capability_status, o.status_since, o.sku_part_number)
      and entra_sync.is_resolved_by_dirt(n.entra_tenant_id);
  elsif tg_op = 'INSERT' then
    insert into entra_sync.target_dirt (family_id, kind, id)
    select n.entra_tenant_id, 'sku', n.sku_id from new_rows n where entra_sync.is_resolved_by_dirt(n.entra_tenant_id);
  else
    insert into entra_sync.target_dirt (family_id, kind, id)
    select o.entra_tenant_id, 'sku', o.sku_id from old_rows o where entra_sync.is_resolved_by_dirt(o.entra_tenant_id);
  end if;
  return null;
end
$$;
create trigger subscribed_skus_dirty_insert after insert on subscribed_skus referencing new table as new_rows
  for each statement execute function dirty_skus();
create trigger subscribed_skus_dirty_update after update on subscribed_skus referencing old table as old_rows new table as new_rows
  for each statement execute function dirty_skus();
create trigger subscribed_skus_dirty_delete after delete on subscribed_skus referencing old table as old_rows
  for each statement execute function dirty_skus();

create function dirty_plans() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    insert into entra_sync.target_dirt (family_id, kind, id)
    select distinct n.entra_tenant_id, 'sku', n.sku_id
    from new_rows n join old_rows o using (entra_tenant_id, sku_id, service_plan_id)
    where (n.provisioning_status, n.service_plan_name) is distinct from (o.provisioning_status, o.service_plan_name)
      and entra_sync.is_resolved_by_dirt(n.entra_tenant_id);
  elsif tg_op = 'INSERT' then
    insert into entra_sync.target_dirt (family_id, kind, id)
    select distinct n.entra_tenant_id, 'sku', n.sku_id from new_rows n where entra_sync.is_resolved_by_dirt(n.entra_tenant_id);
  else
    insert into entra_sync.target_dirt (family_id, kind, id)
    select distinct o.entra_tenant_id, 'sku', o.sku_id from old_rows o where entra_sync.is_resolved_by_dirt(o.entra_tenant_id);
  end if;
  return null;
end
$$;
create trigger sku_service_plans_dirty_insert after insert on sku_service_plans referencing new table as new_rows
  for each statement execute function dirty_plans();
create trigger sku_service_plans_dirty_update after update on sku_service_plans referencing old table as old_rows new table as new_rows
  for each statement execute function dirty_plans();
create trigger sku_service_plans_dirty_delete after delete on sku_service_plans referencing old table as old_rows
  for each statement execute function dirty_plans();

create function dirty_computers() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    insert into entra_sync.target_dirt (family_id, kind, id)
    select distinct f.family_id, 'subject', n.computer_id
    from new_rows n join old_rows o using (computer_id)
    join entra_sync.tenant_families f on f.tenant_id in (n.tenant_id, o.tenant_id)
    where (n.tenant_id, n.entra_device_id) is distinct from (o.tenant_id, o.entra_device_id);
  elsif tg_op = 'INSERT' then
    insert into entra_sync.target_dirt (family_id, kind, id)
    select f.family_id, 'subject', n.computer_id from new_rows n join entra_sync.tenant_families f using (tenant_id);
  else
    insert into entra_sync.target_dirt (family_id, kind, id)
    select f.family_id, 'subject', o.computer_id from old_rows o join entra_sync.tenant_families f using (tenant_id);
  end if;
  return null;
end
$$;
create trigger computers_dirty_insert after insert on computers referencing new table as new_rows
  for each statement execute function dirty_computers();
create trigger computers_dirty_update after update on computers referencing old table as old_rows new table as new_rows
  for each statement execute function dirty_computers();
create trigger computers_dirty_delete after delete on computers referencing old table as old_rows
  for each statement execute function dirty_computers();

-- What an operator changes is deliberate: previewed, and not for the guard.
create function dirty_tenants() returns trigger language plpgsql as $$
begin
  insert into entra_sync.target_dirt (family_id, kind, deliberate)
  with recursive below as (
    select n.tenant_id from new_rows n join old_rows o using (tenant_id)
    where (n.parent_tenant_id, n.in_cross_tenant_deployments) is distinct from (o.parent_tenant_id, o.in_cross_tenant_deployments)
    union
    select t.tenant_id from entra_sync.tenants t join below b on t.parent_tenant_id = b.tenant_id
  )
  select distinct f.family_id, 'all', true from below join entra_sync.tenant_families f using (tenant_id);
  return null;
end
$$;
create trigger tenants_dirty after update on tenants referencing old table as old_rows new table as new_rows
  for each statement execute function dirty_tenants();

create function dirty_links() returns trigger language plpgsql as $$
declare
  link entra_sync.tenant_links := case when tg_op = 'DELETE' then old else new end;
begin
  insert into entra_sync.target_dirt (family_id, kind, deliberate)
  values (link.entra_tenant_id, 'all', true), (link.tenant_id, 'all', true);
  return null;
end
$$;
create trigger tenant_links_dirty after insert or update or delete on tenant_links
  for each row execute function dirty_links();

create function families_of_deployment(of_scope text, of_tenant uuid, of_type text, of_target jsonb) returns setof uuid
language sql stable as $$
  select distinct f.family_id from entra_sync.tenant_families f where of_scope = 'cross_tenant'
  union
  select p.entra_tenant_id from entra_sync.persons p
  where of_type = 'person' and p.person_id = (of_target ->> 'person_id')::uuid
  union
  select f.family_id from entra_sync.computers c join entra_sync.tenant_families f using (tenant_id)
  where of_type = 'computer' and c.computer_id = (of_target ->> 'computer_id')::uuid
  union
  (with recursive below as (
    select of_tenant as tenant_id
    union
    select t.tenant_id from entra_sync.tenants t join below b on t.parent_tenant_id = b.tenant_id
  )
  select f.family_id from below join entra_sync.tenant_families f using (tenant_id) where of_scope = 'single_tenant')
$$;

create function dirty_deployments() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' then
    insert into entra_sync.target_dirt (family_id, kind, id, item_id, deliberate)
    select f, 'deployment', old.deployment_id, old.item_id, true
    from entra_sync.families_of_deployment(old.scope, old.tenant_id, old.target_type, old.target) f
    union
    select t.family_id, 'deployment', old.deployment_id, old.item_id, true
    from entra_sync.deployment_targets t where t.deployment_id = old.deployment_id;
  end if;
  if tg_op <> 'DELETE' then
    insert into entra_sync.target_dirt (family_id, kind, id, item_id, deliberate)
    select f, 'deployment', new.deployment_id, new.item_id, true
    from entra_sync.families_of_deployment(new.scope, new.tenant_id, new.target_type, new.target) f;
  end if;
  return null;
end
$$;
create trigger deployments_dirty after insert or delete on deployments
  for each row execute function dirty_deployments();
create trigger deployments_dirty_update after update on deployments
  for each row when ((old.item_id, old.version, old.desired_state, old.enforcement, old.scope, old.tenant_id, old.target_type,
      old.target, old.excludes, old.filters, old.enabled, old.rank, old.created_at)
    is distinct from (new.item_id, new.version, new.desired_state, new.enforcement, new.scope, new.tenant_id, new.target_type,
      new.target, new.excludes, new.filters, new.enabled, new.rank, new.created_at))
  execute function dirty_deployments();

create function dirty_entitlements() returns trigger language plpgsql as $$
begin
  insert into entra_sync.target_dirt (family_id, kind, deliberate)
  select distinct family_id, 'all', true from entra_sync.tenant_families;
  return null;
end
$$;
create trigger app_entitlements_dirty after insert or update or delete on app_entitlements
  for each statement execute function dirty_entitlements();
create trigger app_entitlement_plans_dirty after insert or update or delete on app_entitlement_plans
  for each statement execute function dirty_entitlements();

-- Holds of targets -----------------------------------------------------------------------------------------------

alter table holds alter column entra_tenant_id drop not null;
alter table holds drop constraint holds_kind_check;
alter table holds
  add constraint holds_kind_check check (kind in ('person', 'group', 'membership', 'license', 'device', 'sku', 'target')),
  add column tenant_id uuid references tenants,
  add column deployment_id uuid,
  add column direction text check (direction in ('assign', 'unassign')),
  add constraint holds_owner check (case when kind = 'target' then tenant_id is not null else entra_tenant_id is not null end);
comment on column holds.tenant_id is 'Kind target: whose targets would change.';
comment on column holds.deployment_id is 'Kind target: the deployment that would lose or gain them; null = judged as one set of the tenant.';
alter table hold_items alter column entra_tenant_id drop not null;
alter table hold_items add column wanted jsonb;
create index hold_items_target on hold_items (key) where kind = 'target';
comment on column hold_items.wanted is 'Kind target (key: subject, item): what the target would become, as in target_changes.after; null = it would be unassigned.';
