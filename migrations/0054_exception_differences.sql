-- A difference above the tolerance between a statement line and its item is accepted by two persons. Source:
-- docs/reconciliation.md, Exceptions.

ALTER TABLE approval DROP CONSTRAINT approval_kind_check,
    ADD CONSTRAINT approval_kind_check CHECK (kind IN ('tariff', 'facility_pricing', 'facility_policy', 'account_change',
        'dead_letter_closing', 'exemption', 'write_off', 'refund', 'chart', 'refund_limit', 'opening_balances',
        'exception_difference'));
DROP INDEX approval_one_approved;
CREATE UNIQUE INDEX approval_one_approved ON approval (organization_id, kind, subject_id)
    WHERE state = 'approved' AND kind NOT IN ('account_change', 'chart', 'refund_limit', 'exception_difference');

-- The subject is an open exception. Its acceptance may be reverted and proposed again.
CREATE FUNCTION vienphi_guard_difference_proposal() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM public.exception_case WHERE organization_id = NEW.organization_id AND id = NEW.subject_id
            AND state = 'open')
    THEN
        RAISE EXCEPTION 'the subject of a % cannot be proposed', NEW.kind USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER difference_is_open BEFORE INSERT ON approval FOR EACH ROW WHEN (NEW.kind = 'exception_difference')
    EXECUTE FUNCTION vienphi_guard_difference_proposal();
