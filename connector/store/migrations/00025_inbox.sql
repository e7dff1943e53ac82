-- What the clinician's inbox shows and keeps. need_at is since when the patient's side of a thread waits for an answer, patience
-- how urgent it is: 0 stat, 1 asap, 2 urgent, 3 routine, so that an index in one order has the most urgent first. named_hash is
-- of the patient's reference as the channel or we named it, while the thread is not bound. Threads of before get theirs with
-- their next message.

-- +goose Up
ALTER TABLE thread ADD COLUMN need_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE thread ADD COLUMN last_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE thread ADD COLUMN patience BIGINT NOT NULL DEFAULT 3;
ALTER TABLE thread ADD COLUMN pool_hash BYTEA;
ALTER TABLE thread ADD COLUMN named_hash BYTEA;
ALTER TABLE thread ADD COLUMN desk BYTEA;
CREATE INDEX thread_waits ON thread (ehr_id, pool_hash, patience, need_at, id) WHERE need_at > 0;
CREATE INDEX thread_named ON thread (ehr_id, named_hash) WHERE named_hash IS NOT NULL;

CREATE TABLE inbox_launch (
  ehr_id     TEXT   NOT NULL,
  state_hash BYTEA  NOT NULL,
  expires_at BIGINT NOT NULL,
  body       BYTEA  NOT NULL,
  PRIMARY KEY (ehr_id, state_hash)
);
CREATE INDEX inbox_launch_old ON inbox_launch (ehr_id, expires_at);

CREATE TABLE inbox_session (
  ehr_id     TEXT   NOT NULL,
  id         TEXT   NOT NULL,
  user_hash  BYTEA,
  created_at BIGINT NOT NULL,
  seen_at    BIGINT NOT NULL,
  ended_at   BIGINT NOT NULL,
  version    BIGINT NOT NULL,
  head       BYTEA  NOT NULL,
  body       BYTEA  NOT NULL,
  PRIMARY KEY (ehr_id, id)
);
CREATE INDEX inbox_session_user ON inbox_session (ehr_id, user_hash, id) WHERE ended_at = 0;
CREATE INDEX inbox_session_old ON inbox_session (ehr_id, seen_at);

CREATE TABLE draft (
  ehr_id       TEXT   NOT NULL,
  id           TEXT   NOT NULL,
  thread_id    TEXT   NOT NULL,
  patient_hash BYTEA,
  user_hash    BYTEA,
  send_at      BIGINT NOT NULL,
  sending      BIGINT NOT NULL,
  updated_at   BIGINT NOT NULL,
  version      BIGINT NOT NULL,
  head         BYTEA  NOT NULL,
  body         BYTEA  NOT NULL,
  PRIMARY KEY (ehr_id, id)
);
CREATE INDEX draft_thread ON draft (ehr_id, thread_id, id) WHERE thread_id <> '';
CREATE INDEX draft_patient ON draft (ehr_id, patient_hash, id);
CREATE INDEX draft_due ON draft (ehr_id, send_at, id) WHERE send_at > 0;
