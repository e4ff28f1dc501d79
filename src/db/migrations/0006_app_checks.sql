-- Where the end of a credential is known from, and when an app's registration was last read.

alter table app_credentials
  add column expires_source text check (expires_source in ('told', 'certificate', 'graph')),
  add column registered boolean,
  add column checked_at timestamptz;
update app_credentials set expires_source = case kind when 'certificate' then 'certificate' else 'told' end
where expires_at is not null;
comment on column app_credentials.expires_at is 'When it ends, see expires_source; null = not known.';
comment on column app_credentials.expires_source is 'Where expires_at is from: told by the operator, the certificate itself, or the app registration as Graph shows it, which wins.';
comment on column app_credentials.registered is 'Whether the app registration has it, as it was read last; null = never read, or not to be told from another.';
comment on column app_credentials.checked_at is 'When the app registration was last read.';

alter table entra_tenants add column app_checked_at timestamptz;
comment on column entra_tenants.app_checked_at is 'Partner and standalone Entra tenants: when the registrations of their apps were last checked, or that was tried.';
comment on column entra_tenants.offboarded_at is 'When an operator offboarded it: never synced again, unless it is resumed, imported or linked anew.';
