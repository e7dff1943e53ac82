-- What trace finds by and shows: the keyed hash of the HL7 v2 control id (MSH-10) a write's identity gives, and the request
-- of an attempt whose bytes are its own. Additive: a binary that does not know them leaves them NULL.

-- +goose Up
ALTER TABLE chart_write ADD COLUMN control_hash BYTEA;
ALTER TABLE attempt ADD COLUMN request BYTEA;
CREATE INDEX chart_write_control ON chart_write (ehr_id, control_hash) WHERE control_hash IS NOT NULL;
