-- Rules of tenants that hold whoever writes them, and the count of live persons for `status`.

-- In an index alone, instead of reading all persons.
create index persons_live on persons (entra_tenant_id) where deleted_at is null;

create function keep_msp() returns trigger language plpgsql as $$
begin
  raise exception 'tenant % is the MSP and can not be deleted', old.tenant_id using errcode = 'restrict_violation';
end
$$;
create trigger tenants_keep_msp before delete on tenants
  for each row when (old.is_msp) execute function keep_msp();
comment on function keep_msp is 'Everything hangs on the MSP''s own tenant: it is never deleted.';

create function refuse_parent_cycle() returns trigger language plpgsql as $$
begin
  if exists (
    with recursive above as (
      select new.parent_tenant_id as tenant_id
      union
      select t.parent_tenant_id from entra_sync.tenants t join above a using (tenant_id)
    )
    select from above where tenant_id = new.tenant_id
  ) then
    raise exception 'tenant % would be above itself', new.tenant_id using errcode = 'check_violation';
  end if;
  return new;
end
$$;
create trigger tenants_no_cycle before insert or update of parent_tenant_id on tenants
  for each row when (new.parent_tenant_id is not null) execute function refuse_parent_cycle();
comment on function refuse_parent_cycle is 'Parents of tenants form trees. Whoever sets one holds the lock of link changes, so that two at once make no ring.';
