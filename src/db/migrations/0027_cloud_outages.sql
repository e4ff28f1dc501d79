-- compatible: one table that older code neither writes nor reads.

create table cloud_outages (
  service text not null check (service in ('graph', 'login')),
  process text not null,
  since timestamptz not null,
  told_at timestamptz not null,
  primary key (service, process)
);
comment on table cloud_outages is 'Services of Microsoft that answer nobody, as a process with workers sees it: Graph, or the login service. It tells so every few seconds; what was told more than a minute ago is of a process that is gone.';
