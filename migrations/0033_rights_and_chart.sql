-- Further roles of keys, keys of some facilities, and the chart of accounts by approval. Source: docs/rights.md;
-- docs/visit-accounts.md; billing/organizations/domain/rights.py.

ALTER TABLE api_key DROP CONSTRAINT roles_are_known,
    ADD CONSTRAINT roles_are_known CHECK (roles <@ ARRAY['cashier', 'head_cashier', 'treasurer', 'finance', 'auditor',
        'integrator', 'administrator']),
    -- The facilities at which the key works; NULL is all of them.
    ADD COLUMN facility_codes text[],
    ADD CONSTRAINT facilities_are_named CHECK (cardinality(facility_codes) > 0);

-- A further number of a ledger account is proposed by one person and approved by another. Of one account many are.
ALTER TABLE approval DROP CONSTRAINT approval_kind_check,
    ADD CONSTRAINT approval_kind_check CHECK (kind IN ('tariff', 'facility_pricing', 'facility_policy', 'account_change',
        'dead_letter_closing', 'exemption', 'write_off', 'refund', 'chart'));
DROP INDEX approval_one_approved;
CREATE UNIQUE INDEX approval_one_approved ON approval (organization_id, kind, subject_id)
    WHERE state = 'approved' AND kind NOT IN ('account_change', 'chart');

CREATE FUNCTION vienphi_guard_chart_proposal() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM public.ledger_account WHERE organization_id = NEW.organization_id AND id = NEW.subject_id)
    THEN
        RAISE EXCEPTION 'the subject of a % cannot be proposed', NEW.kind USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER chart_is_complete BEFORE INSERT ON approval FOR EACH ROW WHEN (NEW.kind = 'chart')
    EXECUTE FUNCTION vienphi_guard_chart_proposal();

-- The first number of an account comes with the account. Each further one repeats an approved proposal, and begins after
-- the last closed day.
CREATE FUNCTION vienphi_guard_number() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM public.ledger_number
        WHERE organization_id = NEW.organization_id AND account_id = NEW.account_id)
    THEN
        RETURN NEW;
    END IF;
    IF NOT EXISTS (
        SELECT FROM public.approval
        WHERE organization_id = NEW.organization_id AND kind = 'chart' AND subject_id = NEW.account_id
            AND state = 'approved' AND payload ->> 'number' = NEW.number AND payload ->> 'name' = NEW.name
            AND (payload ->> 'valid_from')::date = NEW.valid_from)
    THEN
        RAISE EXCEPTION 'a number of the chart is approved by two persons' USING ERRCODE = 'restrict_violation';
    END IF;
    IF EXISTS (
        SELECT FROM public.business_day
        WHERE organization_id = NEW.organization_id AND state = 'closed' AND day >= NEW.valid_from)
    THEN
        RAISE EXCEPTION 'a closed day keeps its chart'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'chart_after_closed_days';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER number_is_approved BEFORE INSERT ON ledger_number FOR EACH ROW EXECUTE FUNCTION vienphi_guard_number();
SELECT vienphi_append_only('ledger_number');
SELECT vienphi_grant_insert_except('ledger_number', 'transaction_id');
