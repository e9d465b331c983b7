-- Opening balances of the ledger: proposed by one person, approved by another, posted once in an organization. Source:
-- docs/ledger-verification.md, Opening balances.

ALTER TABLE approval DROP CONSTRAINT approval_kind_check,
    ADD CONSTRAINT approval_kind_check CHECK (kind IN ('tariff', 'facility_pricing', 'facility_policy', 'account_change',
        'dead_letter_closing', 'exemption', 'write_off', 'refund', 'chart', 'refund_limit', 'opening_balances'));
-- The subject of such a proposal is the organization: its number as a uuid. It is approved once (`approval_one_approved`).
ALTER TABLE approval ADD CONSTRAINT opening_balances_are_of_organization CHECK (
    kind <> 'opening_balances' OR subject_id = lpad(to_hex(organization_id), 32, '0')::uuid);

CREATE UNIQUE INDEX journal_entry_one_opening ON journal_entry (organization_id) WHERE kind = 'opening_balances';

CREATE FUNCTION vienphi_guard_opening_balances() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM public.approval
        WHERE organization_id = NEW.organization_id AND kind = 'opening_balances' AND state = 'approved'
            AND (payload ->> 'first_day')::date = NEW.accounting_date + 1)
    THEN
        RAISE EXCEPTION 'opening balances are approved by two persons' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER opening_is_approved BEFORE INSERT ON journal_entry FOR EACH ROW WHEN (NEW.kind = 'opening_balances')
    EXECUTE FUNCTION vienphi_guard_opening_balances();
