-- Groups that deployments name, for the guard of syncs; and families whose targets could not be resolved.

-- What dripped out of one group a deployment names is summed over a day by itself.
alter table applied_removals add column group_id uuid;
comment on column applied_removals.group_id is 'Memberships of a group that a deployment names, which are counted in the row without a group too; null = all of a kind in one round.';
create index applied_removals_group on applied_removals (entra_tenant_id, group_id, at) where group_id is not null;

alter table holds add column group_id uuid;
comment on column holds.group_id is 'The group that a deployment names and that would lose these members, or be gone; null = judged as one set of the Entra tenant.';

create table target_failures (
  family_id uuid primary key,
  failures int not null default 1,
  failed_at timestamptz not null default now(),
  retry_at timestamptz not null default now(),
  code text not null,
  message text not null
);
comment on table target_failures is 'Families whose last resolution failed: they stay dirty and rest until retry_at. The row goes with the first one that succeeds.';
