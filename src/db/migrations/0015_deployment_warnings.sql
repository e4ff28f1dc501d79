-- What is odd about a deployment. Derived, so that a warning ends by itself.

create view deployment_warnings as
with named as (
  select t.*, d.name, d.scope, d.tenant_id from deployment_terms t join deployments d using (deployment_id) where d.enabled
), found as (
  select r.deployment_id, r.term, r.entra_tenant_id, count(*) as groups,
    count(*) filter (where not g.members_visible) as hidden
  from deployment_roots r join groups g on g.entra_tenant_id = r.entra_tenant_id and g.object_id = r.group_id
  group by r.deployment_id, r.term, r.entra_tenant_id
), held as (
  select t.deployment_id, t.family_id, count(*) as targets from deployment_targets t group by t.deployment_id, t.family_id
)
select n.deployment_id, null::uuid as family_id, 'group_gone' as code,
  'The group ' || n.group_id || case when n.excluded then ' that it excludes' else '' end
    || ' is gone. Its targets stay as they are, and it gives no new ones.' as message
from named n
where n.type in ('group', 'team') and not exists (select from found f where f.deployment_id = n.deployment_id and f.term = n.term)
union all
select n.deployment_id, h.family_id, 'group_gone',
  'No group ' || coalesce(n.group_name, n.group_pattern) || ' is there any more. Its ' || h.targets || ' targets there stay as they are.'
from named n join held h using (deployment_id)
where n.type = 'group_name' and not n.excluded and not exists (
  select from found f where f.deployment_id = n.deployment_id and f.term = n.term and f.entra_tenant_id = h.family_id)
union all
select n.deployment_id, null, 'no_group', 'No tenant has a group ' || coalesce(n.group_name, n.group_pattern) || '.'
from named n
where n.type = 'group_name' and not exists (select from found f where f.deployment_id = n.deployment_id and f.term = n.term)
  and not exists (select from held h where h.deployment_id = n.deployment_id)
union all
select n.deployment_id, f.entra_tenant_id, 'group_ambiguous', f.groups || ' groups are named ' || n.group_name || ': all of them count.'
from named n join found f using (deployment_id, term)
where n.group_name is not null and f.groups > 1
union all
select n.deployment_id, f.entra_tenant_id, 'members_hidden',
  'Members of ' || f.hidden || ' of its groups are hidden from us: whom we do not see it does not reach.'
from named n join found f using (deployment_id, term) where f.hidden > 0
union all
select n.deployment_id, null, 'person_gone', 'The person that it names is gone.'
from named n where n.type = 'person'
  and not exists (select from persons p where p.person_id = n.person_id and p.deleted_at is null and p.tenant_id is not null)
union all
select n.deployment_id, null, 'computer_gone', 'The computer that it names is gone.'
from named n where n.type = 'computer' and not exists (select from computers c where c.computer_id = n.computer_id)
union all
select n.deployment_id, null, 'nobody_licensed', 'No tenant subscribes the licence that it names.'
from named n where n.type = 'license'
  and not exists (select from subscribed_skus s where s.sku_id = n.sku_id)
  and not exists (select from sku_service_plans s where s.service_plan_id = n.service_plan_id)
union all
select n.deployment_id, null, 'entitlement_unknown', 'There is no app entitlement ' || n.entitlement || '.'
from named n where n.type = 'app_entitlement' and not exists (select from app_entitlements e where e.entitlement = n.entitlement)
union all
select d.deployment_id, null, 'tenant_not_linked',
  t.name || ' and the tenants below it are linked to no Entra tenant, so that it reaches nobody.'
from deployments d join tenants t using (tenant_id)
where d.enabled and not exists (
  with recursive below as (
    select d.tenant_id union select c.tenant_id from tenants c join below b on c.parent_tenant_id = b.tenant_id
  )
  select from below join tenant_links using (tenant_id))
  and not exists (select from computers c where c.tenant_id = d.tenant_id);
comment on view deployment_warnings is 'What keeps a deployment from reaching whom it names. family_id: where; null = everywhere.';
