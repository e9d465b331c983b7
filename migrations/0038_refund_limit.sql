-- The amount above which a second person approves a refund is proposed by one person and approved by another. Source:
-- docs/visit-accounts.md, Refunds; docs/rights.md.

ALTER TABLE approval DROP CONSTRAINT approval_kind_check,
    ADD CONSTRAINT approval_kind_check CHECK (kind IN ('tariff', 'facility_pricing', 'facility_policy', 'account_change',
        'dead_letter_closing', 'exemption', 'write_off', 'refund', 'chart', 'refund_limit'));
DROP INDEX approval_one_approved;
CREATE UNIQUE INDEX approval_one_approved ON approval (organization_id, kind, subject_id)
    WHERE state = 'approved' AND kind NOT IN ('account_change', 'chart', 'refund_limit');

-- The subject of such a proposal is the organization: its number as a uuid.
ALTER TABLE approval ADD CONSTRAINT refund_limit_is_of_organization CHECK (
    kind <> 'refund_limit' OR subject_id = lpad(to_hex(organization_id), 32, '0')::uuid);

CREATE FUNCTION vienphi_guard_refund_limit() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.refund_approval_above IS DISTINCT FROM (
        SELECT (payload ->> 'amount')::bigint FROM public.approval
        WHERE organization_id = NEW.id AND kind = 'refund_limit' AND state = 'approved'
        ORDER BY decided_at DESC LIMIT 1)
    THEN
        RAISE EXCEPTION 'the amount that needs no second person is approved by two persons'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refund_limit_is_approved BEFORE UPDATE ON organization FOR EACH ROW
    WHEN (NEW.refund_approval_above <> OLD.refund_approval_above) EXECUTE FUNCTION vienphi_guard_refund_limit();
GRANT UPDATE (refund_approval_above) ON organization TO vienphi_app;
