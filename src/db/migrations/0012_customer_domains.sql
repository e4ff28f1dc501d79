-- The default domain of a customer before its first sync, for proposals of tenants.

alter table gdap_customers add column default_domain text check (default_domain = lower(default_domain) and default_domain <> '');
comment on column gdap_customers.default_domain is 'As the partner''s contracts tell it, where they may be read; a copy of the time of the contract, so an aid only.';
