-- Only Postgres. What is sealed does not compress, so nothing is gained by trying; and rows that change without their
-- indexes do so within their page where there is room.

-- +goose Up
ALTER TABLE event_kept ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE message ALTER COLUMN message SET STORAGE EXTERNAL;
ALTER TABLE blob ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE chart_write ALTER COLUMN request SET STORAGE EXTERNAL, ALTER COLUMN receipt SET STORAGE EXTERNAL;
ALTER TABLE attempt ALTER COLUMN answer SET STORAGE EXTERNAL, ALTER COLUMN request SET STORAGE EXTERNAL, SET (fillfactor = 70);
ALTER TABLE lane SET (fillfactor = 40);
ALTER TABLE thread SET (fillfactor = 60);
ALTER TABLE audit ALTER COLUMN detail SET STORAGE EXTERNAL;
ALTER TABLE audit_seal ALTER COLUMN hashes SET STORAGE EXTERNAL;
