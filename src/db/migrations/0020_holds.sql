-- compatible: only new tables and columns that may be null; older code neither freezes nor has limits of one tenant.
-- Decisions on holds: who made them and why; limits of single Entra tenants; the fleet freeze.

alter table holds
  add column closed_by text,
  add column close_reason text,
  add column hash text,
  add column applied_at timestamptz;
comment on column holds.closed_by is 'Who approved or rejected it; null = it is open, or withdrew itself.';
comment on column holds.close_reason is 'Why it was rejected, in the operator''s words.';
comment on column holds.hash is 'Fingerprint of the set that was approved; null = it is not approved.';
comment on column holds.applied_at is 'Approved: when the set was applied. An approval passes the guard once; one of kind target that was not applied within 24 h is none any more.';
create index holds_by_time on holds (created_at desc, hold_id);

create table hold_limits (
  hold_limit_id uuid primary key default gen_random_uuid(),
  entra_tenant_id uuid not null references entra_tenants on delete cascade,
  hold_min int check (hold_min >= 0),
  hold_percent double precision check (hold_percent >= 0 and hold_percent <= 100),
  hold_max int check (hold_max >= 0),
  expires_at timestamptz,
  reason text not null default '',
  set_by text not null,
  set_at timestamptz not null default now(),
  check (num_nonnulls(hold_min, hold_percent, hold_max) > 0)
);
create unique index hold_limits_lasting on hold_limits (entra_tenant_id) where expires_at is null;
create unique index hold_limits_dated on hold_limits (entra_tenant_id) where expires_at is not null;
comment on table hold_limits is 'Limits of the guard for one Entra tenant, instead of HOLD_MIN, HOLD_PERCENT and HOLD_MAX: one row that lasts, and one with an end, which goes before it until then. A null limit is the lasting row''s, or the configuration''s.';

create table fleet_freezes (
  freeze_id uuid primary key default gen_random_uuid(),
  started_at timestamptz not null default now(),
  started_by text,
  reason text not null,
  ended_at timestamptz,
  ended_by text
);
create unique index fleet_freezes_one on fleet_freezes ((true)) where ended_at is null;
comment on table fleet_freezes is 'While a row has no end, nothing is removed and no target unassigned in any tenant.';
comment on column fleet_freezes.started_by is 'The operator; null = by itself, since too many Entra tenants were newly held within an hour.';
