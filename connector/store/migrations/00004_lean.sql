-- Indexes that cost each commit more than their rare readers gain. Nothing reads audit rows by time alone, and the newest
-- filed write is found by its id, which holds the time. An index of held lanes without the lease's end
-- lets Postgres renew a lease in place. A binary that knew the old ones is slower without them, and never wrong.

-- +goose Up
CREATE INDEX lane_held ON lane (ehr_id) WHERE leased = 1;
DROP INDEX lane_leased;
DROP INDEX audit_at;
DROP INDEX chart_write_filed;
