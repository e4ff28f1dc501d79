-- Own app registrations (permission level Custom) with their sealed credentials.

create table app_registrations (
  app_id uuid primary key default gen_random_uuid(),
  entra_tenant_id uuid not null references entra_tenants on delete cascade,
  level text not null default 'custom' check (level = 'custom'),
  client_id uuid not null,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  unique (entra_tenant_id, client_id)
);
comment on table app_registrations is 'App registrations of permission level Custom. That of level Default comes from the configuration.';
comment on column app_registrations.entra_tenant_id is 'The partner or standalone Entra tenant that chose it; its customers follow.';
comment on column app_registrations.version is 'Grows with each change of the credentials: processes that hold tokens of an older one forget them.';

create table app_credentials (
  credential_id uuid primary key default gen_random_uuid(),
  app_id uuid not null references app_registrations on delete cascade,
  entra_tenant_id uuid not null references entra_tenants on delete cascade,
  kind text not null check (kind in ('secret', 'certificate')),
  sealed text not null check (sealed ~ '^sealed1:[0-9a-f]{12}:[A-Za-z0-9_-]{38,}$'),
  thumbprint text,
  expires_at timestamptz,
  added_at timestamptz not null default now()
);
create index app_credentials_app on app_credentials (app_id, added_at desc);
comment on table app_credentials is 'Secrets and certificates of own app registrations; several overlap while one replaces the other.';
comment on column app_credentials.sealed is 'AES-256-GCM, bound to this row''s purpose and Entra tenant: sealed1:KEY_ID:DATA. Never plain text.';
comment on column app_credentials.thumbprint is 'SHA-256 of a certificate, as the portal shows it; null for secrets.';
comment on column app_credentials.expires_at is 'Of a certificate its own end, of a secret what the operator told; null = not told.';
comment on column entra_tenants.permission_level is 'Chosen for partner and standalone Entra tenants; customers follow their partner''s.';
comment on column entra_tenants.app_id is 'The app that reads it: of app_registrations, by app_id or client_id. null = as permission_level and partner say.';
