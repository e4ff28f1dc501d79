-- A group that a deployment names and that was gone is there again: whom the deployment reaches changes then for others
-- than the group's members. Who left meanwhile kept the target, and who came while an excluded group was gone got none.

create function dirty_found_groups(entras uuid[], ids uuid[], names_before text[], names text[], were_live boolean[])
returns void language sql as $$
  with changed as (
    select * from unnest(entras, ids, names_before, names, were_live) as c (entra_tenant_id, group_id, name_before, name, was_live)
  ), terms as materialized (
    select t.deployment_id, t.group_id, t.group_name, t.group_pattern from entra_sync.deployment_terms t
    where t.group_id is not null or (t.type = 'group_name' and not t.excluded)
  ), found as (
    select t.deployment_id, t.group_id, t.group_name, t.group_pattern, c.entra_tenant_id
    from terms t join changed c on c.group_id = t.group_id or lower(c.name) = t.group_name or lower(c.name) like t.group_pattern
  ), back as (
    select distinct f.deployment_id, f.entra_tenant_id, f.group_id is not null as everywhere
    from found f
    where not exists (
        select from changed c where c.was_live and (c.group_id = f.group_id or c.entra_tenant_id = f.entra_tenant_id
          and (lower(c.name_before) = f.group_name or lower(c.name_before) like f.group_pattern)))
      -- What this transaction has written says nothing of before: a page that inserts one group and restores another
      -- of that name comes here twice.
      and not exists (
        select from entra_sync.groups g where g.object_id = f.group_id and g.deleted_at is null
          and (g.entra_tenant_id, g.object_id) not in (select entra_tenant_id, group_id from changed)
          and g.xmin <> pg_current_xact_id()::xid)
      and not exists (
        select from entra_sync.groups g where g.entra_tenant_id = f.entra_tenant_id and g.deleted_at is null
          and (lower(g.display_name) = f.group_name or lower(g.display_name) like f.group_pattern)
          and (g.entra_tenant_id, g.object_id) not in (select entra_tenant_id, group_id from changed)
          and g.xmin <> pg_current_xact_id()::xid)
  ), concerned as (
    -- A name is looked for in each family by itself; a group named by id is gone for all that the deployment reaches.
    select b.deployment_id, b.entra_tenant_id as family_id from back b where not b.everywhere
    union
    select b.deployment_id, f from back b join entra_sync.deployments d using (deployment_id),
      entra_sync.families_of_deployment(d.scope, d.tenant_id, d.target_type, d.target) f
    where b.everywhere
  )
  insert into entra_sync.target_dirt (family_id, kind, id, item_id)
  select c.family_id, 'deployment', d.deployment_id, d.item_id
  from concerned c join entra_sync.deployments d using (deployment_id)
  where d.enabled and entra_sync.is_resolved_by_dirt(c.family_id)
$$;
comment on function dirty_found_groups is 'Dirt for the deployments that name a group which is there now and was not before; by a name: unless another group of that name was there.';

create or replace function dirty_groups() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    insert into entra_sync.target_dirt (family_id, kind, id)
    select n.entra_tenant_id, 'object', n.object_id from new_rows n join old_rows o using (entra_tenant_id, object_id)
    where (n.display_name, n.deleted_at is null) is distinct from (o.display_name, o.deleted_at is null)
      and entra_sync.is_resolved_by_dirt(n.entra_tenant_id);
    perform entra_sync.dirty_found_groups(array_agg(n.entra_tenant_id), array_agg(n.object_id),
      array_agg(o.display_name), array_agg(n.display_name), array_agg(o.deleted_at is null))
    from new_rows n join old_rows o using (entra_tenant_id, object_id)
    where n.deleted_at is null and (n.display_name, true) is distinct from (o.display_name, o.deleted_at is null)
    having count(*) > 0;
  elsif tg_op = 'INSERT' then
    insert into entra_sync.target_dirt (family_id, kind, id)
    select n.entra_tenant_id, 'object', n.object_id from new_rows n where entra_sync.is_resolved_by_dirt(n.entra_tenant_id);
    perform entra_sync.dirty_found_groups(array_agg(n.entra_tenant_id), array_agg(n.object_id),
      array_agg(null::text), array_agg(n.display_name), array_agg(false))
    from new_rows n where n.deleted_at is null
    having count(*) > 0;
  else
    insert into entra_sync.target_dirt (family_id, kind, id)
    select o.entra_tenant_id, 'object', o.object_id from old_rows o where entra_sync.is_resolved_by_dirt(o.entra_tenant_id);
  end if;
  return null;
end
$$;
