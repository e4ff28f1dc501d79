-- What is odd about a deployment. Derived, so that a warning ends by itself.

create view deployment_warnings as
with recursive below as (
  select d.deployment_id, d.tenant_id from deployments d where d.enabled and d.scope = 'single_tenant'
  union
  select b.deployment_id, t.tenant_id from below b join tenants t on t.parent_tenant_id = b.tenant_id
), of_single as (
  select distinct b.deployment_id, f.family_id from below b join tenant_families f using (tenant_id)
), of_cross as (
  select distinct f.family_id from tenant_families f join tenants t using (tenant_id) where t.in_cross_tenant_deployments
), named as materialized (
  select t.*, d.scope, d.tenant_id,
    case when t.excluded then 'it excludes' else 'it names' end as by_it,
    coalesce(x.target ->> 'name', x.target ->> 'pattern') as said
  from deployment_terms t join deployments d using (deployment_id)
  cross join lateral (select case t.term when 0 then d.target else d.excludes -> (t.term - 1) end as target) x
  where d.enabled
), found as materialized (
  -- Only where the deployment reaches: what another tenant calls its groups is nothing to it.
  select n.deployment_id, n.term, r.entra_tenant_id, count(*) as groups, count(*) filter (where not g.members_visible) as hidden
  from named n join deployment_roots r using (deployment_id, term)
  join groups g on g.entra_tenant_id = r.entra_tenant_id and g.object_id = r.group_id
  where case n.scope
    when 'cross_tenant' then r.entra_tenant_id in (select family_id from of_cross)
    when 'single_tenant' then (n.deployment_id, r.entra_tenant_id) in (select deployment_id, family_id from of_single)
    else true end
  group by n.deployment_id, n.term, r.entra_tenant_id
), held as (
  select t.deployment_id, t.family_id, count(*) as targets from deployment_targets t
  where t.deployment_id in (select deployment_id from named where type = 'group_name' and not excluded)
  group by t.deployment_id, t.family_id
), subscribed as (
  select s.entra_tenant_id, s.sku_id as id from subscribed_skus s
  union all
  select p.entra_tenant_id, p.service_plan_id from sku_service_plans p
)
select n.deployment_id, null::uuid as family_id, 'group_gone' as code,
  'The group ' || n.group_id || ' that ' || n.by_it || ' is gone. Its targets stay as they are, and it gives no new ones.' as message
from named n
where n.type in ('group', 'team') and not exists (
  select from groups g where g.object_id = n.group_id and g.deleted_at is null)
union all
select n.deployment_id, h.family_id, 'group_gone',
  'No group ' || n.said || ' is there any more. Its '
    || case h.targets when 1 then 'target there stays as it is.' else h.targets || ' targets there stay as they are.' end
from named n join held h using (deployment_id)
where n.type = 'group_name' and not n.excluded and not exists (
  select from found f where f.deployment_id = n.deployment_id and f.term = n.term and f.entra_tenant_id = h.family_id)
union all
select n.deployment_id, null,
  case when n.group_name is null then 'pattern_matches_none' else 'no_group' end,
  case when n.group_name is null then 'No group in any tenant that it reaches is like ' || n.said || '.'
    else 'No tenant that it reaches has a group ' || n.said || '.' end
from named n
where n.type = 'group_name' and not exists (select from found f where f.deployment_id = n.deployment_id and f.term = n.term)
  and (n.excluded or not exists (select from held h where h.deployment_id = n.deployment_id))
union all
select n.deployment_id, f.entra_tenant_id, 'group_ambiguous', f.groups || ' groups are named ' || n.said || ': all of them count.'
from named n join found f using (deployment_id, term)
where n.group_name is not null and f.groups > 1
union all
select n.deployment_id, f.entra_tenant_id, 'members_hidden',
  'Members of ' || case f.hidden when 1 then 'a group' else f.hidden || ' groups' end || ' that ' || n.by_it
    || ' are hidden from us: whom we do not see it does not '
    || case when n.excluded then 'exclude.' else 'reach.' end
from named n join found f using (deployment_id, term) where f.hidden > 0
union all
select n.deployment_id, null, 'person_gone', 'The person that ' || n.by_it || ' is gone.'
from named n where n.type = 'person'
  and not exists (select from persons p where p.person_id = n.person_id and p.deleted_at is null and p.tenant_id is not null)
union all
select n.deployment_id, null, 'computer_gone', 'The computer that ' || n.by_it || ' is gone.'
from named n where n.type = 'computer' and not exists (select from computers c where c.computer_id = n.computer_id)
union all
select n.deployment_id, null, 'nobody_licensed', 'No tenant that it reaches subscribes the licence that ' || n.by_it || '.'
from named n where n.type = 'license' and not exists (
  select from subscribed s where s.id = coalesce(n.sku_id, n.service_plan_id) and case n.scope
    when 'cross_tenant' then s.entra_tenant_id in (select family_id from of_cross)
    when 'single_tenant' then (n.deployment_id, s.entra_tenant_id) in (select deployment_id, family_id from of_single)
    else true end)
union all
select n.deployment_id, null, 'entitlement_unknown', 'There is no app entitlement ' || n.entitlement || '.'
from named n where n.type = 'app_entitlement' and not exists (select from app_entitlements e where e.entitlement = n.entitlement)
union all
select d.deployment_id, null, 'tenant_not_linked',
  t.name || ' and the tenants below it are linked to no Entra tenant, so that it reaches nobody.'
from deployments d join tenants t using (tenant_id)
where d.enabled and not exists (
  select from below b where b.deployment_id = d.deployment_id and (
    exists (select from tenant_links l where l.tenant_id = b.tenant_id)
    or exists (select from computers c where c.tenant_id = b.tenant_id)
    or exists (select from persons p where p.tenant_id = b.tenant_id and p.deleted_at is null)));
comment on view deployment_warnings is 'What keeps a deployment from reaching whom it names. family_id: where; null = everywhere.';
