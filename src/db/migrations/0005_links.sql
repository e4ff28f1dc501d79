-- A tenant may own several domains of one Entra tenant.

alter table tenant_links drop constraint tenant_links_pkey;
create unique index tenant_links_key on tenant_links (tenant_id, domain) nulls not distinct;
alter table tenant_links add column made_child boolean not null default false;
comment on column tenant_links.made_child is 'This domain link made the tenant a child of the default link''s tenant; without it, the tenant has no parent again.';

create function refuse_second_entra_tenant() returns trigger language plpgsql as $$
begin
  if exists (
    select from entra_sync.tenant_links l
    where l.tenant_id = new.tenant_id and l.entra_tenant_id <> new.entra_tenant_id
  ) then
    raise exception 'tenant % is linked to another Entra tenant', new.tenant_id using errcode = 'unique_violation';
  end if;
  return new;
end
$$;
create trigger tenant_links_one_entra_tenant before insert or update on tenant_links
  for each row execute function refuse_second_entra_tenant();
comment on function refuse_second_entra_tenant is 'A tenant has one Entra tenant, with the default link or with domains of it.';
