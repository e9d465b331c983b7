-- What a match has posted stays, and what ended stays ended. Source: docs/reconciliation.md, Tables.

CREATE TRIGGER posted_once BEFORE UPDATE ON match FOR EACH ROW
    WHEN (OLD.entry_id IS NOT NULL AND NEW.entry_id IS DISTINCT FROM OLD.entry_id)
    EXECUTE FUNCTION vienphi_reject_row('a match posts one entry');
CREATE TRIGGER ended_stays BEFORE UPDATE ON match_item FOR EACH ROW WHEN (NOT OLD.is_live AND NEW.is_live)
    EXECUTE FUNCTION vienphi_reject_row('an ended match is not live again');
CREATE TRIGGER confirmed_stays BEFORE UPDATE ON statement_line FOR EACH ROW
    WHEN (NOT OLD.is_tentative AND NEW.is_tentative)
    EXECUTE FUNCTION vienphi_reject_row('a confirmed line is not tentative again');
