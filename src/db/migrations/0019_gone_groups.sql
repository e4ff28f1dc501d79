-- A group that a deployment names and that was gone is there again: whom the deployment reaches changes then for others
-- than the group's members. Who left meanwhile kept the target, and who came while an excluded group was gone got none.

create function dirty_found_groups(entras uuid[], ids uuid[], names_before text[], names text[], were_live boolean[])
returns void language plpgsql as $$
declare
  found record;
begin
  -- Once a term, however many groups of a page it matches.
  for found in
    with changed as materialized (
      select c.entra_tenant_id, c.group_id, lower(c.name) as name
      from unnest(entras, ids, names) as c (entra_tenant_id, group_id, name)
    ), terms as materialized (
      select t.deployment_id, t.group_id, t.group_name, t.group_pattern from entra_sync.deployment_terms t
      where t.group_id is not null or (t.type = 'group_name' and not t.excluded)
    )
    select t.deployment_id, t.group_id, null as group_name, null as group_pattern, c.entra_tenant_id
    from terms t join changed c on c.group_id = t.group_id
    union
    select t.deployment_id, null, t.group_name, null, c.entra_tenant_id from terms t join changed c on c.name = t.group_name
    union
    select t.deployment_id, null, null, t.group_pattern, c.entra_tenant_id
    from (select * from terms where group_pattern is not null) t join changed c on c.name like t.group_pattern
  loop
    continue when exists (
      select from unnest(entras, ids, names_before, were_live) as c (entra_tenant_id, group_id, name, was_live)
      where c.was_live and (c.group_id = found.group_id or c.entra_tenant_id = found.entra_tenant_id
        and (lower(c.name) = found.group_name or lower(c.name) like found.group_pattern)));
    -- What this transaction has written says nothing of before: a page that inserts one group and restores another of
    -- that name comes here twice.
    if found.group_id is not null then
      continue when exists (
        select from entra_sync.groups g where g.object_id = found.group_id and g.deleted_at is null
          and g.xmin <> pg_current_xact_id()::xid);
    elsif found.group_name is not null then
      continue when exists (
        select from entra_sync.groups g where g.entra_tenant_id = found.entra_tenant_id and g.deleted_at is null
          and lower(g.display_name) = found.group_name and g.xmin <> pg_current_xact_id()::xid);
    else
      continue when exists (
        select from entra_sync.groups g where g.entra_tenant_id = found.entra_tenant_id and g.deleted_at is null
          and lower(g.display_name) like found.group_pattern and g.xmin <> pg_current_xact_id()::xid);
    end if;
    -- A name is looked for in each family by itself; a group named by id is gone for all that the deployment reaches.
    insert into entra_sync.target_dirt (family_id, kind, id, item_id)
    select f.family_id, 'deployment', d.deployment_id, d.item_id
    from entra_sync.deployments d cross join lateral (
      select found.entra_tenant_id where found.group_id is null
      union
      select x from entra_sync.families_of_deployment(d.scope, d.tenant_id, d.target_type, d.target) x
      where found.group_id is not null
    ) f (family_id)
    where d.deployment_id = found.deployment_id and d.enabled and entra_sync.is_resolved_by_dirt(f.family_id);
  end loop;
end
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
