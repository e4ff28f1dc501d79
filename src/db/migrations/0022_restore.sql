-- compatible: a column that may be null, a table, and one more reason to freeze; older code syncs as before.

alter table entra_tenants add column restored_at timestamptz;
comment on column entra_tenants.restored_at is 'The database was restored from a backup then, and the Entra tenant was not read whole since: its targets are frozen. Null = it was.';

create table restore_witness (
  only_row boolean primary key default true check (only_row),
  database_id uuid not null default gen_random_uuid(),
  beats bigint not null default 0,
  beat_at timestamptz not null default now()
);
insert into restore_witness default values;
comment on table restore_witness is 'Daemons count up here, and keep the count outside of the database, too: a count behind theirs tells that the database was restored.';

create or replace view target_family_status as
select e.entra_tenant_id as family_id,
  case
    when e.gone_at is not null then 'gone'
    when e.offboarded_at is not null then 'offboarded'
    when e.partner_entra_tenant_id is not null and not coalesce(g.active, false) then 'gdap_ended'
    when e.last_synced_at is null then 'never_synced'
    when e.restored_at is not null then 'restored'
    when r.outcome in ('partial', 'failed') then 'sync_not_whole'
  end as frozen
from entra_tenants e
left join gdap_status g using (entra_tenant_id)
left join lateral (
  select x.outcome from sync_runs x
  where x.entra_tenant_id = e.entra_tenant_id and x.finished_at is not null and x.outcome <> 'fenced'
  order by x.started_at desc limit 1
) r on true;
