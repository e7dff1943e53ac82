-- What an EHR's ADT feed (HL7 v2) tells of its patients and visits, for a connection that cannot be asked. ref_hash is of the
-- reference a patient or visit is known by, id_hash of the reference that one of a patient's identifiers makes: a patient has
-- a row for each of them.

-- +goose Up
CREATE TABLE adt_patient (
  ehr_id   TEXT   NOT NULL,
  ref_hash BYTEA  NOT NULL,
  said_at  BIGINT NOT NULL,
  patient  BYTEA  NOT NULL,
  PRIMARY KEY (ehr_id, ref_hash)
);
CREATE TABLE adt_identifier (
  ehr_id   TEXT  NOT NULL,
  id_hash  BYTEA NOT NULL,
  ref_hash BYTEA NOT NULL,
  PRIMARY KEY (ehr_id, id_hash, ref_hash)
); -- by key
CREATE INDEX adt_identifier_patient ON adt_identifier (ehr_id, ref_hash);

CREATE TABLE adt_visit (
  ehr_id       TEXT   NOT NULL,
  ref_hash     BYTEA  NOT NULL,
  patient_hash BYTEA  NOT NULL,
  said_at      BIGINT NOT NULL,
  visit        BYTEA  NOT NULL,
  PRIMARY KEY (ehr_id, ref_hash)
);
CREATE INDEX adt_visit_patient ON adt_visit (ehr_id, patient_hash);

-- The messages that were taken, by which one that is sent again is known: digest is of all its bytes.
CREATE TABLE adt_message (
  ehr_id       TEXT   NOT NULL,
  control_hash BYTEA  NOT NULL,
  digest       BYTEA  NOT NULL,
  received_at  BIGINT NOT NULL,
  PRIMARY KEY (ehr_id, control_hash)
); -- by key
CREATE INDEX adt_message_old ON adt_message (ehr_id, received_at);

-- The threads that are held for a patient, by the references of what they name the patient by.
CREATE TABLE adt_wait (
  ehr_id    TEXT  NOT NULL,
  id_hash   BYTEA NOT NULL,
  thread_id TEXT  NOT NULL,
  PRIMARY KEY (ehr_id, id_hash, thread_id)
); -- by key
