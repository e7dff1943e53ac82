-- One schema for SQLite and Postgres. Times are microseconds since 1970 UTC, 0 where there is none; ids are ULIDs of ours;
-- BYTEA columns hold sealed values, or keyed hashes where the name ends in _hash. ehr_id, the tenant, leads every primary
-- key, so that one EHR connection can be dumped, moved or dropped alone. Nothing a platform or an EHR supplied is in clear.
-- "by key" after a table: SQLite keeps its rows in the order of the primary key itself, for they are many and small.

-- +goose Up
CREATE TABLE meta (
  key   TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
);

CREATE TABLE ehr (
  ehr_id      TEXT   NOT NULL PRIMARY KEY,
  name        TEXT   NOT NULL UNIQUE,
  paused      TEXT   NOT NULL,
  paused_at   BIGINT NOT NULL,
  find_proven BIGINT NOT NULL,
  cursor_at   BIGINT NOT NULL
);

-- The keys of what was taken, by which it is known again. thread_id is the thread it was taken for, "" where there is none.
CREATE TABLE event (
  ehr_id      TEXT   NOT NULL,
  key_hash    BYTEA  NOT NULL,
  channel     TEXT   NOT NULL,
  id          TEXT   NOT NULL,
  thread_id   TEXT   NOT NULL,
  received_at BIGINT NOT NULL,
  PRIMARY KEY (ehr_id, key_hash, channel)
); -- by key

-- The bytes of those events whose content is kept nowhere else.
CREATE TABLE event_kept (
  ehr_id      TEXT   NOT NULL,
  id          TEXT   NOT NULL,
  channel     TEXT   NOT NULL,
  thread_id   TEXT   NOT NULL,
  received_at BIGINT NOT NULL,
  head        BYTEA  NOT NULL,
  body        BYTEA  NOT NULL,
  PRIMARY KEY (ehr_id, id)
);
CREATE INDEX event_kept_thread ON event_kept (ehr_id, thread_id);

CREATE TABLE thread (
  ehr_id     TEXT   NOT NULL,
  id         TEXT   NOT NULL,
  channel    TEXT   NOT NULL,
  ext_hash   BYTEA  NOT NULL,
  bound_hash BYTEA,
  changed    BIGINT NOT NULL,
  closed     BIGINT NOT NULL,
  header_id  TEXT   NOT NULL,
  strategy   TEXT   NOT NULL,
  next_seq   BIGINT NOT NULL,
  last_sent  BIGINT NOT NULL,
  version    BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  ext        BYTEA  NOT NULL,
  info       BYTEA  NOT NULL,
  patient    BYTEA  NOT NULL,
  bound      BYTEA,
  last_msg   BYTEA,
  PRIMARY KEY (ehr_id, id),
  UNIQUE (ehr_id, ext_hash, channel)
);
CREATE INDEX thread_bound ON thread (ehr_id, bound_hash);

CREATE TABLE message (
  ehr_id      TEXT   NOT NULL,
  id          TEXT   NOT NULL,
  thread_id   TEXT   NOT NULL,
  revision    BIGINT NOT NULL,
  ext_hash    BYTEA,
  client_id   TEXT   NOT NULL,
  born_id     TEXT   NOT NULL,
  requested   BIGINT NOT NULL,
  received_at BIGINT NOT NULL,
  message     BYTEA  NOT NULL,
  delivery    BYTEA,
  retracted   BYTEA,
  corrected   BYTEA,
  PRIMARY KEY (ehr_id, id),
  UNIQUE (ehr_id, ext_hash, thread_id, revision)
);
CREATE INDEX message_client ON message (ehr_id, client_id) WHERE client_id <> '';

CREATE TABLE blob (
  ehr_id          TEXT  NOT NULL,
  message_id      TEXT  NOT NULL,
  attachment_hash BYTEA NOT NULL,
  thread_id       TEXT  NOT NULL,
  name            BYTEA NOT NULL,
  data            BYTEA NOT NULL,
  PRIMARY KEY (ehr_id, message_id, attachment_hash)
);
CREATE INDEX blob_thread ON blob (ehr_id, thread_id);

CREATE TABLE item (
  ehr_id       TEXT   NOT NULL,
  id           TEXT   NOT NULL,
  thread_id    TEXT   NOT NULL,
  lane         TEXT   NOT NULL,
  kind         TEXT   NOT NULL,
  message_id   TEXT   NOT NULL,
  state        TEXT   NOT NULL,
  reason       TEXT   NOT NULL,
  channel      TEXT   NOT NULL,
  direction    TEXT   NOT NULL,
  sequence     BIGINT NOT NULL,
  sent_at      BIGINT NOT NULL,
  revision     BIGINT NOT NULL,
  urgency      BIGINT NOT NULL,
  committed_at BIGINT NOT NULL,
  changed_at   BIGINT NOT NULL,
  next_at      BIGINT NOT NULL,
  first_tried  BIGINT NOT NULL,
  tries        BIGINT NOT NULL,
  late         BIGINT NOT NULL,
  detail       BYTEA  NOT NULL,
  PRIMARY KEY (ehr_id, id)
); -- by key
CREATE INDEX item_lane ON item (ehr_id, thread_id, lane, committed_at, id)
  WHERE state IN ('waiting', 'held', 'filing', 'unknown');
CREATE INDEX item_open ON item (ehr_id, state, committed_at, id) WHERE state NOT IN ('filed', 'not_due');
CREATE INDEX item_thread ON item (ehr_id, thread_id, message_id);

-- next_at is the largest BIGINT where nothing is due; leased is 1 from a claim until its release or the lease's end, so
-- that the claim index holds only what can be claimed. The index of held lanes leaves out when the lease ends, so that
-- Postgres renews a lease in place.
CREATE TABLE lane (
  ehr_id      TEXT   NOT NULL,
  thread_id   TEXT   NOT NULL,
  kind        TEXT   NOT NULL,
  urgency     BIGINT NOT NULL,
  next_at     BIGINT NOT NULL,
  leased      BIGINT NOT NULL,
  lease_until BIGINT NOT NULL,
  fence       BIGINT NOT NULL,
  touched     BIGINT NOT NULL,
  PRIMARY KEY (ehr_id, thread_id, kind)
); -- by key
CREATE INDEX lane_due ON lane (ehr_id, kind, urgency, next_at) WHERE leased = 0 AND next_at < 9223372036854775807;
CREATE INDEX lane_held ON lane (ehr_id) WHERE leased = 1;

-- provides_hash, ref_hash and control_hash (of the HL7 v2 control id, MSH-10) are what a write is found by. There is no index
-- of the filed ones by time: their ids hold it.
CREATE TABLE chart_write (
  ehr_id        TEXT   NOT NULL,
  id            TEXT   NOT NULL,
  thread_id     TEXT   NOT NULL,
  item_id       TEXT   NOT NULL,
  ord           BIGINT NOT NULL,
  key_hash      BYTEA  NOT NULL,
  provides_hash BYTEA,
  ref_hash      BYTEA,
  control_hash  BYTEA,
  state         TEXT   NOT NULL,
  identified    BIGINT NOT NULL,
  attempts      BIGINT NOT NULL,
  attempted_at  BIGINT NOT NULL,
  filed_at      BIGINT NOT NULL,
  request       BYTEA  NOT NULL,
  receipt       BYTEA,
  PRIMARY KEY (ehr_id, id),
  UNIQUE (ehr_id, key_hash)
);
CREATE INDEX chart_write_item ON chart_write (ehr_id, item_id, ord);
CREATE INDEX chart_write_thread ON chart_write (ehr_id, thread_id);
CREATE INDEX chart_write_provides ON chart_write (ehr_id, provides_hash);
CREATE INDEX chart_write_ref ON chart_write (ehr_id, ref_hash);
CREATE INDEX chart_write_control ON chart_write (ehr_id, control_hash) WHERE control_hash IS NOT NULL;

-- request is that of an attempt whose bytes are its own, and not its write's.
CREATE TABLE attempt (
  ehr_id     TEXT   NOT NULL,
  id         TEXT   NOT NULL,
  thread_id  TEXT   NOT NULL,
  write_id   TEXT   NOT NULL,
  no         BIGINT NOT NULL,
  fence      BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  ended_at   BIGINT NOT NULL,
  outcome    TEXT   NOT NULL,
  reason     TEXT   NOT NULL,
  status     BIGINT NOT NULL,
  request    BYTEA,
  answer     BYTEA,
  PRIMARY KEY (ehr_id, id)
);
CREATE INDEX attempt_write ON attempt (ehr_id, write_id, no);
CREATE INDEX attempt_thread ON attempt (ehr_id, thread_id);

CREATE TABLE born (
  ehr_id     TEXT   NOT NULL,
  id         TEXT   NOT NULL,
  ref_hash   BYTEA  NOT NULL,
  thread_id  TEXT   NOT NULL,
  item_id    TEXT   NOT NULL,
  created_at BIGINT NOT NULL,
  request    BYTEA  NOT NULL,
  PRIMARY KEY (ehr_id, id),
  UNIQUE (ehr_id, ref_hash)
);
CREATE INDEX born_thread ON born (ehr_id, thread_id);

CREATE TABLE consent (
  ehr_id      TEXT  NOT NULL,
  channel     TEXT  NOT NULL,
  person_hash BYTEA NOT NULL,
  consent     BYTEA NOT NULL,
  PRIMARY KEY (ehr_id, channel, person_hash)
);

-- Delta rows: n is added up over the rows of a state; the folder replaces the rows it has added up by one.
CREATE TABLE tally (
  ehr_id    TEXT   NOT NULL,
  channel   TEXT   NOT NULL,
  direction TEXT   NOT NULL,
  state     TEXT   NOT NULL,
  id        TEXT   NOT NULL,
  n         BIGINT NOT NULL,
  PRIMARY KEY (ehr_id, channel, direction, state, id)
); -- by key

-- An audit row is inserted and never changed; triggers refuse it. mac is its keyed hash, which shows a row that was altered
-- before it came into the log. entity_hash finds what was done about one patient or resource.
CREATE TABLE audit (
  ehr_id      TEXT   NOT NULL,
  id          TEXT   NOT NULL,
  at          BIGINT NOT NULL,
  kind        TEXT   NOT NULL,
  action      TEXT   NOT NULL,
  outcome     BIGINT NOT NULL,
  agent_kind  TEXT   NOT NULL,
  agent_id    TEXT   NOT NULL,
  thread_id   TEXT   NOT NULL,
  item_id     TEXT   NOT NULL,
  entity_hash BYTEA,
  detail      BYTEA  NOT NULL,
  mac         BYTEA  NOT NULL,
  PRIMARY KEY (ehr_id, id)
); -- by key
CREATE INDEX audit_thread ON audit (ehr_id, thread_id, at) WHERE thread_id <> '';
CREATE INDEX audit_entity ON audit (ehr_id, entity_hash, at) WHERE entity_hash IS NOT NULL;

-- The audit rows of one commit that have no place in the log yet: their ids, one a line. The sealer of the log takes them.
CREATE TABLE audit_wait (
  ehr_id TEXT NOT NULL,
  id     TEXT NOT NULL,
  ids    TEXT NOT NULL,
  PRIMARY KEY (ehr_id, id)
); -- by key

-- What one sealing added to a log: n rows from sequence number seq, their ids, one a line, and the stored hashes they added to
-- its Merkle tree (golang.org/x/mod/sumdb/tlog), from index hash_from, 32 bytes each. audit_head is the newest signed checkpoint.
CREATE TABLE audit_seal (
  ehr_id    TEXT   NOT NULL,
  seq       BIGINT NOT NULL,
  n         BIGINT NOT NULL,
  ids       TEXT   NOT NULL,
  hash_from BIGINT NOT NULL,
  hashes    BYTEA  NOT NULL,
  PRIMARY KEY (ehr_id, seq)
);
CREATE TABLE audit_head (
  ehr_id     TEXT   NOT NULL PRIMARY KEY,
  size       BIGINT NOT NULL,
  checkpoint BYTEA  NOT NULL
);

-- Unauthenticated refusals of a minute that has not ended, counted; then they become one audit row.
CREATE TABLE refusal (
  ehr_id      TEXT   NOT NULL,
  channel     TEXT   NOT NULL,
  minute      BIGINT NOT NULL,
  source_hash BYTEA  NOT NULL,
  counts      BYTEA  NOT NULL,
  PRIMARY KEY (ehr_id, minute, channel, source_hash)
);
