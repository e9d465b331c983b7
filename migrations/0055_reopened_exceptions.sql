-- A closed exception is opened again only by a decision that reverts another, in the transaction that records it. Source:
-- docs/reconciliation.md, Exceptions.

CREATE FUNCTION vienphi_guard_reopening() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM public.exception_decision AS decision
        WHERE decision.organization_id = NEW.organization_id AND decision.exception_id = NEW.id
            AND decision.action = 'revert' AND decision.xmin = pg_catalog.pg_current_xact_id()::xid
    ) THEN
        RAISE EXCEPTION 'a closed exception is opened again by reverting its decision'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER opened_by_reversal BEFORE UPDATE ON exception_case FOR EACH ROW
    WHEN (OLD.state = 'closed' AND NEW.state = 'open') EXECUTE FUNCTION vienphi_guard_reopening();
