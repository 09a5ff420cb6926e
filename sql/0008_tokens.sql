-- Signal tokens that were used and may be used once: a token says the rest itself. Kept until it has expired.
create table legwork.used_token (
  job_id     bigint not null,
  expires_at timestamptz not null,
  slot       smallint not null,
  nonce      text collate "C" not null,
  primary key (slot, job_id, nonce)
);
create index used_token_expiry on legwork.used_token (slot, expires_at);
