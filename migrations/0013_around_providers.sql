-- What stands around providers: how far each account's list was read, and changes of accounts that two persons make.

-- How far an account's list of movements was read, and until when a worker reads it now. `minute` and `used` are how
-- often it was read in one minute, by all workers together.
CREATE TABLE feed_cursor (
    organization_id int NOT NULL,
    provider_account_id uuid NOT NULL,
    cursor text NOT NULL DEFAULT '' CHECK (length(cursor) <= 2000),
    leased_until timestamptz,
    read_at timestamptz,
    failures int NOT NULL DEFAULT 0 CHECK (failures >= 0),
    minute timestamptz NOT NULL,
    used int NOT NULL DEFAULT 0 CHECK (used >= 0),
    PRIMARY KEY (organization_id, provider_account_id),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id)
);
SELECT vienphi_isolate_tenant('feed_cursor');
GRANT INSERT, UPDATE (cursor, leased_until, read_at, failures, minute, used) ON feed_cursor TO vienphi_app;

-- One person proposes, another decides. What is proposed stands here whole; the service cannot change an account, only
-- the function below can, and it takes nothing but a change that two persons stand for.
CREATE TABLE account_change (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    provider_account_id uuid NOT NULL,
    settings jsonb NOT NULL,
    bank_bin text,
    account_number text,
    holder text,
    is_active boolean NOT NULL,
    settings_before jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('proposed', 'approved', 'rejected')),
    proposed_by uuid NOT NULL,
    proposed_at timestamptz NOT NULL,
    decided_by uuid,
    decided_at timestamptz,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id),
    FOREIGN KEY (organization_id, proposed_by) REFERENCES person (organization_id, id),
    FOREIGN KEY (organization_id, decided_by) REFERENCES person (organization_id, id),
    CONSTRAINT payee_is_complete CHECK (num_nulls(bank_bin, account_number, holder) IN (0, 3)),
    CONSTRAINT decision_is_complete CHECK (
        (state = 'proposed') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)),
    CONSTRAINT two_persons_approve CHECK (state <> 'approved' OR decided_by <> proposed_by)
);
CREATE UNIQUE INDEX account_change_one_open ON account_change (organization_id, provider_account_id)
    WHERE state = 'proposed';
SELECT vienphi_isolate_tenant('account_change');
GRANT INSERT, UPDATE (state, decided_by, decided_at) ON account_change TO vienphi_app;

-- What was decided stays decided.
CREATE FUNCTION vienphi_reject_second_decision() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'proposed' THEN
        RAISE EXCEPTION 'a change is decided once' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER decided_once BEFORE UPDATE ON account_change
    FOR EACH ROW EXECUTE FUNCTION vienphi_reject_second_decision();

-- Carry an approved change out, in the transaction that approves it. SECURITY DEFINER: the service may not write these
-- tables by itself. `new_bank_account` is the id of the bank account where it is not known yet.
CREATE FUNCTION vienphi_apply_account_change(change uuid, new_bank_account uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    organization int := NULLIF(current_setting('vienphi.organization', true), '')::int;
    wanted public.account_change;
    bank uuid;
BEGIN
    SELECT * INTO wanted FROM public.account_change WHERE organization_id = organization AND id = change;
    IF NOT FOUND OR wanted.state <> 'approved' OR wanted.decided_by = wanted.proposed_by THEN
        RAISE EXCEPTION 'no change that two persons stand for' USING ERRCODE = 'restrict_violation';
    END IF;
    IF wanted.bank_bin IS NOT NULL THEN
        SELECT id INTO bank FROM public.bank_account
        WHERE organization_id = organization AND bank_bin = wanted.bank_bin
            AND account_number = wanted.account_number AND holder = wanted.holder;
        IF NOT FOUND THEN
            bank := new_bank_account;
            INSERT INTO public.bank_account_owner (bank_bin, account_number, organization_id)
                VALUES (wanted.bank_bin, wanted.account_number, organization);
            INSERT INTO public.bank_account (organization_id, id, bank_bin, account_number, holder)
                VALUES (organization, bank, wanted.bank_bin, wanted.account_number, wanted.holder);
        END IF;
    END IF;
    UPDATE public.provider_account
    SET settings = wanted.settings, is_active = wanted.is_active, bank_account_id = coalesce(bank, bank_account_id)
    WHERE organization_id = organization AND id = wanted.provider_account_id AND settings = wanted.settings_before;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the account has changed since' USING ERRCODE = 'restrict_violation';
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_apply_account_change(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vienphi_apply_account_change(uuid, uuid) TO vienphi_app;
