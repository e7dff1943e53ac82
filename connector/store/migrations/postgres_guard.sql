CREATE FUNCTION audit_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'audit' THEN
    IF OLD.seq IS NULL AND NEW.seq IS NOT NULL
      AND (NEW.ehr_id, NEW.id, NEW.at, NEW.kind, NEW.action, NEW.outcome, NEW.agent_kind, NEW.agent_id, NEW.thread_id, NEW.item_id, NEW.detail, NEW.mac)
        = (OLD.ehr_id, OLD.id, OLD.at, OLD.kind, OLD.action, OLD.outcome, OLD.agent_kind, OLD.agent_id, OLD.thread_id, OLD.item_id, OLD.detail, OLD.mac)
      AND NEW.entity_hash IS NOT DISTINCT FROM OLD.entity_hash
    THEN
      RETURN NEW;
    END IF;
  ELSIF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'audit_head' THEN
    IF NEW.ehr_id = OLD.ehr_id AND NEW.size > OLD.size THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'audit rows, hashes and heads are never changed or deleted';
END $$;
CREATE TRIGGER audit_guard BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_guard();
CREATE TRIGGER audit_guard_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_guard();
CREATE TRIGGER audit_hash_guard BEFORE UPDATE OR DELETE ON audit_hash FOR EACH ROW EXECUTE FUNCTION audit_guard();
CREATE TRIGGER audit_hash_guard_truncate BEFORE TRUNCATE ON audit_hash FOR EACH STATEMENT EXECUTE FUNCTION audit_guard();
CREATE TRIGGER audit_head_guard BEFORE UPDATE OR DELETE ON audit_head FOR EACH ROW EXECUTE FUNCTION audit_guard();
CREATE TRIGGER audit_head_guard_truncate BEFORE TRUNCATE ON audit_head FOR EACH STATEMENT EXECUTE FUNCTION audit_guard();
