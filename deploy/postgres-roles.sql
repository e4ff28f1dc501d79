-- Least-privilege roles for entra-sync in the database that you are connected to. Run by a superuser (or by a role that
-- may create roles and owns the database), before the first `entra-sync migrate` and again after each upgrade:
--
--   psql --dbname=entra_sync --file=deploy/postgres-roles.sql
--   alter role entra_sync_migrator password '…';   -- entra-sync migrate
--   alter role entra_sync_daemon password '…';     -- entra-sync run and all other commands
--   alter role entra_sync_reader password '…';     -- ImmyBot and reports
--
-- Idempotent, and an upgrade path: what an older set-up made as another owner is handed over. Without a password nobody
-- signs in as these roles where pg_hba.conf asks for one.

do $$
declare
  who text;
begin
  foreach who in array array['entra_sync_migrator', 'entra_sync_daemon', 'entra_sync_reader'] loop
    if not exists (select from pg_roles where rolname = who) then
      execute format('create role %I login', who);
    end if;
    execute format('alter role %I nosuperuser nocreatedb nocreaterole noreplication nobypassrls', who);
  end loop;
end $$;

-- The database: nobody who is not named here comes in, and nobody makes things in `public`.
do $$
begin
  execute format('revoke all on database %I from public', current_database());
  execute format('grant connect on database %I to entra_sync_reader', current_database());
  -- Resolutions work in temporary tables.
  execute format('grant connect, temporary on database %I to entra_sync_daemon', current_database());
  execute format('grant connect, create on database %I to entra_sync_migrator', current_database());
end $$;
revoke all on schema public from public;

-- The schemas, ours and that of BullMQ's Postgres backend, belong to the migrator, who fills both.
create schema if not exists entra_sync;
create schema if not exists entra_sync_queue;
do $$
declare
  one record;
begin
  -- Ownership can be handed only to a role that one is a member of; a superuser needs none of it.
  if not (select rolsuper from pg_roles where rolname = current_user) then
    execute format('grant entra_sync_migrator to %I', current_user);
  end if;
  alter schema entra_sync owner to entra_sync_migrator;
  alter schema entra_sync_queue owner to entra_sync_migrator;
  for one in
    select n.nspname as schema, c.relname as name, c.relkind as kind
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('entra_sync', 'entra_sync_queue') and c.relkind in ('r', 'p', 'v', 'm', 'S')
      -- Sequences of identity columns go with their tables.
      and not exists (select from pg_depend d where d.objid = c.oid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i'))
  loop
    execute format('alter %s %I.%I owner to entra_sync_migrator',
      case one.kind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' else 'table' end,
      one.schema, one.name);
  end loop;
  for one in
    select p.oid::regprocedure::text as name
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('entra_sync', 'entra_sync_queue')
  loop
    execute format('alter routine %s owner to entra_sync_migrator', one.name);
  end loop;
end $$;

-- The daemon: rows, never definitions. Tables of later migrations are covered from the start.
grant usage on schema entra_sync, entra_sync_queue to entra_sync_daemon;
-- BullMQ makes the sequence of a queue's job ids when the queue is first used.
grant create on schema entra_sync_queue to entra_sync_daemon;
grant select, insert, update, delete on all tables in schema entra_sync, entra_sync_queue to entra_sync_daemon;
grant usage, select on all sequences in schema entra_sync, entra_sync_queue to entra_sync_daemon;
alter default privileges for role entra_sync_migrator in schema entra_sync, entra_sync_queue
  grant select, insert, update, delete on tables to entra_sync_daemon;
alter default privileges for role entra_sync_migrator in schema entra_sync, entra_sync_queue
  grant usage, select on sequences to entra_sync_daemon;
do $$
declare
  one text;
begin
  -- It reads which schema it has, and writes none. What was done is noted and never changed.
  foreach one in array array['schema_migrations', 'audit_log'] loop
    if to_regclass(format('entra_sync.%I', one)) is not null then
      execute format('revoke update, delete on entra_sync.%I from entra_sync_daemon', one);
      if one = 'schema_migrations' then
        execute format('revoke insert on entra_sync.%I from entra_sync_daemon', one);
      end if;
    end if;
  end loop;
end $$;

-- The reader: what the tables tell of tenants, people, groups, licences and targets. No secrets, nothing under way, no
-- notes of the engine; a table that is new is not readable before this list has it.
grant usage on schema entra_sync to entra_sync_reader;
revoke all on all tables in schema entra_sync from entra_sync_reader;
do $$
declare
  one text;
begin
  foreach one in array array[
    'tenants', 'entra_tenants', 'tenant_links', 'tenant_status', 'gdap_status', 'consent_status',
    'persons', 'person_licenses', 'person_license_sources', 'groups', 'group_members', 'devices',
    'subscribed_skus', 'sku_service_plans', 'app_entitlements', 'app_entitlement_plans',
    'maintenance_items', 'deployments', 'deployment_warnings', 'computers',
    'deployment_targets', 'computer_targets', 'target_changes', 'target_feed', 'target_runs',
    'tenant_families', 'target_families', 'target_family_status',
    'sync_runs', 'holds', 'hold_items', 'problems', 'open_problems', 'fleet_freezes'
  ] loop
    if to_regclass(format('entra_sync.%I', one)) is not null then
      execute format('grant select on entra_sync.%I to entra_sync_reader', one);
    end if;
  end loop;
end $$;
