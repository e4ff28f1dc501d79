-- compatible: one table that older code neither writes nor reads.

create table heartbeats (
  name text primary key,
  at timestamptz not null,
  by text not null
);
comment on table heartbeats is 'When each loop of the daemons last came round and did its work: `tick`, and `worker` with the queue''s name. A worker beats when it has taken jobs or none wait, not for being there.';
