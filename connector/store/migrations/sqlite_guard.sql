CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'audit rows are never deleted'); END;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
WHEN OLD.seq IS NOT NULL OR NEW.seq IS NULL
  OR NEW.ehr_id <> OLD.ehr_id OR NEW.id <> OLD.id OR NEW.at <> OLD.at OR NEW.kind <> OLD.kind
  OR NEW.action <> OLD.action OR NEW.outcome <> OLD.outcome OR NEW.agent_kind <> OLD.agent_kind
  OR NEW.agent_id <> OLD.agent_id OR NEW.thread_id <> OLD.thread_id OR NEW.item_id <> OLD.item_id
  OR NEW.entity_hash IS NOT OLD.entity_hash OR NEW.detail <> OLD.detail OR NEW.mac <> OLD.mac
BEGIN SELECT RAISE(ABORT, 'audit rows are never changed'); END;
CREATE TRIGGER audit_hash_no_delete BEFORE DELETE ON audit_hash
BEGIN SELECT RAISE(ABORT, 'audit hashes are never deleted'); END;
CREATE TRIGGER audit_hash_no_update BEFORE UPDATE ON audit_hash
BEGIN SELECT RAISE(ABORT, 'audit hashes are never changed'); END;
CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head
BEGIN SELECT RAISE(ABORT, 'audit heads are never deleted'); END;
CREATE TRIGGER audit_head_grows BEFORE UPDATE ON audit_head
WHEN NEW.ehr_id <> OLD.ehr_id OR NEW.size <= OLD.size
BEGIN SELECT RAISE(ABORT, 'an audit log only grows'); END;
