-- Consent proved per app, the requests for it, partner sign-ins and pre-consent; problems that were silenced.

create table consents (
  entra_tenant_id uuid not null references entra_tenants on delete cascade,
  app_id uuid not null,
  status text default 'required'
    check (status in ('required', 'waiting_for_roles', 'granted', 'insufficient', 'revoked')),
  granted_roles text[] not null default '{}',
  missing_roles text[] not null default '{}',
  missing_optional_roles text[] not null default '{}',
  proved_at timestamptz,
  granted_at timestamptz,
  granted_by text,
  method text check (method in ('admin_consent', 'pre_consent', 'check_now', 'found')),
  waiting_since timestamptz,
  next_proof_at timestamptz not null default now(),
  proofs_failed int not null default 0,
  primary key (entra_tenant_id, app_id)
);
create index consents_due on consents (next_proof_at);
comment on table consents is 'What an Entra tenant''s admin has granted to an app, as proved by a token and a probe per permission; never by a flag.';
comment on column consents.app_id is 'The app''s client id: of the Default app or of an own app registration.';
comment on column consents.status is 'As the last proof that came to a verdict found it; null = none has yet, and the Entra tenant is read as if it were granted.';
comment on column consents.missing_roles is 'Required permissions that the last proof did not find.';
comment on column consents.proved_at is 'When the last proof that came to a verdict began: of two at once the one that began later counts.';
comment on column consents.granted_by is 'Who granted it, where known: the partner user of a pre-consent. An admin consent does not tell.';
comment on column consents.method is 'How it came: the consent link, pre-consent, an operator''s check, or found by a scheduled proof.';
comment on column consents.waiting_since is 'Somebody came back from Microsoft at this time, and roles may be late; null once they are there, or do not come any more.';

create table consent_tickets (
  ticket_hash bytea primary key,
  entra_tenant_id uuid not null references entra_tenants on delete cascade,
  app_id uuid not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
comment on table consent_tickets is 'Links for a customer''s admin (consent url): hashed, bound to Entra tenant, app and operator, good for 7 days.';

create table consent_requests (
  state_hash bytea primary key,
  entra_tenant_id uuid not null references entra_tenants on delete cascade,
  app_id uuid not null,
  requested_by text not null,
  browser_hash bytea not null,
  started_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  outcome text
);
create index consent_requests_age on consent_requests (expires_at);
comment on table consent_requests is 'The state of each admin consent under way: hashed, used once, good for 10 minutes, bound to a browser, an Entra tenant and an app.';
comment on column consent_requests.browser_hash is 'Hash of the cookie that the browser was given at the start.';

-- Partner users --------------------------------------------------------------------------------------------------

create table partner_sign_ins (
  sign_in_id uuid primary key default gen_random_uuid(),
  partner_entra_tenant_id uuid not null references entra_tenants on delete cascade,
  user_object_id uuid not null,
  user_principal_name text,
  app_id uuid not null,
  sealed text not null check (sealed ~ '^sealed1:[0-9a-f]{12}:[A-Za-z0-9_-]{38,}$'),
  obtained_at timestamptz not null default now(),
  refreshed_at timestamptz not null default now(),
  last_used_at timestamptz,
  refused_at timestamptz,
  refused_code text,
  signed_in_by text not null,
  unique (partner_entra_tenant_id, user_object_id, app_id)
);
comment on table partner_sign_ins is 'Partner users who signed in for pre-consent, each with the newest refresh token.';
comment on column partner_sign_ins.sealed is 'The refresh token: AES-256-GCM, bound to purpose and partner. Never plain text.';
comment on column partner_sign_ins.app_id is 'Client id of the app that they signed in to.';
comment on column partner_sign_ins.refused_at is 'Microsoft took the refresh token no more: the user has to sign in again.';

create table partner_sign_in_requests (
  request_id uuid primary key default gen_random_uuid(),
  state_hash bytea not null unique,
  partner_entra_tenant_id uuid not null references entra_tenants on delete cascade,
  app_id uuid not null,
  requested_by text not null,
  browser_hash bytea not null,
  sealed text not null check (sealed ~ '^sealed1:[0-9a-f]{12}:[A-Za-z0-9_-]{38,}$'),
  started_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz
);
comment on table partner_sign_in_requests is 'Browser sign-ins of partner users under way: state hashed, used once, good for 10 minutes.';
comment on column partner_sign_in_requests.sealed is 'The PKCE code verifier (RFC 7636), sealed like other secrets.';

create table preconsents (
  entra_tenant_id uuid not null references entra_tenants on delete cascade,
  app_id uuid not null,
  partner_entra_tenant_id uuid not null references entra_tenants on delete cascade,
  step text not null default 'waiting'
    check (step in ('waiting', 'consenting', 'granting', 'cleaning', 'proving', 'done', 'failed')),
  bootstrap_open boolean not null default false,
  requested_by text not null,
  requested_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  attempts int not null default 0,
  error_code text,
  error_message text,
  error_remedy text,
  error_request_id text,
  primary key (entra_tenant_id, app_id)
);
create index preconsents_open on preconsents (requested_at) where finished_at is null;
comment on table preconsents is 'Pre-consent of each customer: how far it came, so that a broken-off one goes on.';
comment on column preconsents.bootstrap_open is 'Delegated scopes that were granted only to grant the rest are still there and are to be taken back.';

-- Problems that nobody wants to hear of ---------------------------------------------------------------------------

create table problem_silences (
  silence_id uuid primary key default gen_random_uuid(),
  code text,
  entra_tenant_id uuid references entra_tenants on delete cascade,
  reason text not null default '',
  created_by text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  check (code is not null or entra_tenant_id is not null)
);
create unique index problem_silences_key on problem_silences (code, entra_tenant_id) nulls not distinct;
comment on table problem_silences is 'Problems that were silenced, by code, by Entra tenant, or by both. They stay open and are listed; they do not count.';
comment on column problem_silences.expires_at is 'null = until taken back.';

create view open_problems as
select p.*,
  exists (
    select from problem_silences s
    where (s.code is null or s.code = p.code)
      and (s.entra_tenant_id is null or s.entra_tenant_id = p.entra_tenant_id)
      and (s.expires_at is null or s.expires_at > now())
  ) as silenced
from problems p where p.closed_at is null;
comment on view open_problems is 'Open problems, and whether each is silenced now.';

-- Offboarding ----------------------------------------------------------------------------------------------------

alter table entra_tenants add column offboarded_at timestamptz;
comment on column entra_tenants.offboarded_at is 'When an operator offboarded it: never synced again, unless it is imported or linked anew.';

-- GDAP -----------------------------------------------------------------------------------------------------------

create index gdap_customers_customer on gdap_customers (entra_tenant_id);

-- tenant_status, now with consent --------------------------------------------------------------------------------

create view consent_status as
select e.entra_tenant_id,
  w.client_id as wanted_app_id,
  c.status,
  c.missing_roles,
  c.missing_optional_roles,
  c.granted_at,
  c.granted_by,
  c.method,
  c.proved_at,
  o.app_id as other_app_id,
  case
    when coalesce(c.status, '') <> 'granted' and o.app_id is not null then 'other_app'
    else c.status
  end as consent
from entra_tenants e
left join entra_tenants p on p.entra_tenant_id = e.partner_entra_tenant_id
left join app_registrations w on coalesce(p.permission_level, e.permission_level) = 'custom'
  and w.entra_tenant_id = coalesce(p.entra_tenant_id, e.entra_tenant_id)
  and coalesce(p.app_id, e.app_id) in (w.app_id, w.client_id)
left join lateral (
  -- The Default app's client id is in the configuration, which no view knows: on level Default it is the app that no
  -- own registration has.
  select * from consents x
  where x.entra_tenant_id = e.entra_tenant_id
    and case when w.client_id is not null then x.app_id = w.client_id
      else not exists (select from app_registrations r where r.client_id = x.app_id) end
  order by x.proved_at desc nulls last limit 1
) c on true
left join lateral (
  select x.app_id from consents x
  where x.entra_tenant_id = e.entra_tenant_id and x.status = 'granted' and x.app_id is distinct from c.app_id
    and x.app_id is distinct from w.client_id
  order by x.granted_at desc nulls last limit 1
) o on true;
comment on view consent_status is 'Consent to the app that an Entra tenant''s permission level says; other_app: not to that one, but to another one, which is used meanwhile.';

create or replace view tenant_status as
select e.entra_tenant_id,
  e.display_name,
  e.default_domain,
  case
    when e.partner_entra_tenant_id is not null then 'customer'
    when exists (select 1 from entra_tenants c where c.partner_entra_tenant_id = e.entra_tenant_id)
      or exists (select 1 from gdap_customers gc where gc.partner_entra_tenant_id = e.entra_tenant_id)
      or exists (select 1 from tenant_links l join tenants t using (tenant_id) where l.entra_tenant_id = e.entra_tenant_id and t.is_msp)
      then 'partner'
    else 'standalone'
  end as kind,
  case
    when e.gone_at is not null then 'gone'
    when e.offboarded_at is not null then 'offboarded'
    when not e.sync_enabled then 'disabled'
    when e.paused_at is not null then 'paused'
    when e.partner_entra_tenant_id is not null and not coalesce(g.active, false) then 'gdap_ended'
    when s.consent = 'waiting_for_roles' then 'waiting_for_roles'
    when s.consent in ('required', 'insufficient', 'revoked') then 'consent_required'
    when p.problems > 0 then 'problem'
    when e.last_synced_at is null then 'new'
    when h.holds > 0 then 'held'
    else 'ok'
  end as state,
  e.gone_at is null and e.offboarded_at is null and e.sync_enabled and e.paused_at is null
    and (e.partner_entra_tenant_id is null or coalesce(g.active, false))
    and coalesce(s.consent, 'granted') in ('granted', 'other_app') as scheduled,
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
  (select count(*) from devices x where x.entra_tenant_id = e.entra_tenant_id) as devices,
  s.consent,
  coalesce(p.silenced, 0) as problems_silenced
from entra_tenants e
left join gdap_status g using (entra_tenant_id)
left join consent_status s using (entra_tenant_id)
left join lateral (
  select count(*) filter (where not x.silenced) as problems, count(*) filter (where x.silenced) as silenced
  from open_problems x where x.entra_tenant_id = e.entra_tenant_id
) p on true
left join lateral (select count(*) as holds, sum(x.size) as held from holds x where x.entra_tenant_id = e.entra_tenant_id and x.status = 'open') h on true
left join lateral (select * from sync_runs x where x.entra_tenant_id = e.entra_tenant_id order by x.started_at desc limit 1) r on true;

comment on column entra_tenants.app_id is 'Level Custom: the own app registration chosen, by app_id or client_id of app_registrations. Customers follow their partner''s; which app reads an Entra tenant is told by consents.';
