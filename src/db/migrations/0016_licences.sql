-- Which licences count.

create function honoured_skus(of_entra_tenants uuid[], grace interval)
returns table (entra_tenant_id uuid, sku_id uuid, sku_part_number text) language sql stable as $$
  select s.entra_tenant_id, s.sku_id, s.sku_part_number from entra_sync.subscribed_skus s
  where s.entra_tenant_id = any (of_entra_tenants)
    and (coalesce(s.capability_status, 'Enabled') in ('Enabled', 'Warning')
      or (s.capability_status = 'Suspended' and s.status_since > now() - grace))
$$;
comment on function honoured_skus is 'Subscribed SKUs whose licences count: enabled, in their warning time, or suspended for less than the grace. A company that pays late must not lose its software overnight.';

create function honoured_plans(of_entra_tenants uuid[], grace interval)
returns table (entra_tenant_id uuid, sku_id uuid, sku_part_number text, service_plan_id uuid, service_plan_name text)
language sql stable as $$
  select s.entra_tenant_id, s.sku_id, s.sku_part_number, p.service_plan_id, p.service_plan_name
  from entra_sync.honoured_skus(of_entra_tenants, grace) s
  join entra_sync.sku_service_plans p using (entra_tenant_id, sku_id)
  where coalesce(p.provisioning_status, 'Success') not in ('Disabled', 'Error')
$$;
comment on function honoured_plans is 'Service plans that a licence gives, unless they are switched off for the person.';

-- The end of a grace changes no row, so no trigger tells of it.
create table license_grace_look (
  only_row boolean primary key default true check (only_row),
  looked_at timestamptz not null default now(),
  grace interval
);
insert into license_grace_look default values;
comment on table license_grace_look is 'When it was looked last for suspended SKUs that count differently than before, and with which grace (null = with the one of the next look).';

-- A file that is read at a start has no preview. What it adds is meant; what it lacks may be a variable forgotten on one
-- of two hosts, so what follows from that is for the guard.
create or replace function dirty_entitlements() returns trigger language plpgsql as $$
begin
  insert into entra_sync.target_dirt (family_id, kind, deliberate)
  select distinct family_id, 'all', tg_op <> 'DELETE' from entra_sync.tenant_families;
  return null;
end
$$;
