-- What came of filing test entries on a connection's test patient. Its id is a ULID, so that the last one is the newest.

-- +goose Up
CREATE TABLE probe (
  ehr_id  TEXT  NOT NULL,
  id      TEXT  NOT NULL,
  outcome BYTEA NOT NULL,
  PRIMARY KEY (ehr_id, id)
);
