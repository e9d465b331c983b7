-- Contracts of providers and rule sets of matching are proposed by one person and approved by another. Source:
-- docs/reconciliation.md, Contracts and rule sets.

ALTER TABLE approval DROP CONSTRAINT approval_kind_check,
    ADD CONSTRAINT approval_kind_check CHECK (kind IN ('tariff', 'facility_pricing', 'facility_policy', 'account_change',
        'dead_letter_closing', 'exemption', 'write_off', 'refund', 'chart', 'refund_limit', 'opening_balances',
        'exception_difference', 'guarantee_write_off', 'provider_contract', 'match_rules'));
DROP INDEX approval_one_approved;
CREATE UNIQUE INDEX approval_one_approved ON approval (organization_id, kind, subject_id)
    WHERE state = 'approved' AND kind NOT IN ('account_change', 'chart', 'refund_limit', 'exception_difference',
        'guarantee_write_off', 'provider_contract', 'match_rules');
ALTER TABLE approval ADD CONSTRAINT match_rules_are_of_organization CHECK (
    kind <> 'match_rules' OR subject_id = lpad(to_hex(organization_id), 32, '0')::uuid);

CREATE FUNCTION vienphi_guard_contract_proposal() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM public.provider_account WHERE organization_id = NEW.organization_id AND id = NEW.subject_id)
    THEN
        RAISE EXCEPTION 'the subject of a % cannot be proposed', NEW.kind USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER contract_is_of_account BEFORE INSERT ON approval FOR EACH ROW WHEN (NEW.kind = 'provider_contract')
    EXECUTE FUNCTION vienphi_guard_contract_proposal();

CREATE FUNCTION vienphi_guard_contract() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM public.approval
        WHERE organization_id = NEW.organization_id AND kind = 'provider_contract'
            AND subject_id = NEW.provider_account_id AND state = 'approved'
            AND (payload ->> 'valid_from')::date = NEW.valid_from AND (payload ->> 'pays_out')::boolean = NEW.pays_out
            AND (payload ->> 'fee_basis_points')::int IS NOT DISTINCT FROM NEW.fee_basis_points
            AND (payload ->> 'fee_fixed')::bigint IS NOT DISTINCT FROM NEW.fee_fixed)
    THEN
        RAISE EXCEPTION 'a contract of a provider is approved by two persons' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER contract_is_approved BEFORE INSERT ON provider_contract
    FOR EACH ROW EXECUTE FUNCTION vienphi_guard_contract();

-- The first version has the defaults and needs no person.
CREATE FUNCTION vienphi_guard_rule_set() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM public.approval
        WHERE organization_id = NEW.organization_id AND kind = 'match_rules' AND state = 'approved'
            AND (payload ->> 'version')::int = NEW.version AND payload -> 'rules' = NEW.rules)
    THEN
        RAISE EXCEPTION 'a rule set is approved by two persons' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER rule_set_is_approved BEFORE INSERT ON match_rule_set FOR EACH ROW WHEN (NEW.version > 1)
    EXECUTE FUNCTION vienphi_guard_rule_set();

-- A contract from a later day is not in force yet. Without a contract: by the provider, else by its reports.
CREATE OR REPLACE VIEW provider_channel (organization_id, provider_account_id, bank_account_id, pays_out)
    WITH (security_invoker = true) AS
SELECT account.organization_id, account.id, account.bank_account_id, coalesce(
    (SELECT contract.pays_out FROM provider_contract AS contract
     WHERE contract.organization_id = account.organization_id AND contract.provider_account_id = account.id
         AND contract.valid_from <= (now() AT TIME ZONE interval '7 hours')::date
     ORDER BY contract.valid_from DESC LIMIT 1),
    account.provider IN ('vnpay', 'momo', 'zalopay', 'stripe', 'sepay_gateway')
        OR EXISTS (SELECT FROM payout WHERE payout.organization_id = account.organization_id
            AND payout.provider_account_id = account.id))
FROM provider_account AS account;
