-- compatible: one table that older code neither writes nor reads; it spends without asking.

create table app_budgets (
  client_id text primary key,
  window_start timestamptz not null,
  units int not null,
  held_until timestamptz
);
comment on table app_budgets is 'Resource units of Graph that the processes have taken of an app''s budget in this window of 20 s, in blocks; and until when Microsoft wants no calls of the app at all.';
