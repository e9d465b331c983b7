-- Bank accounts, provider accounts, and changes of provider accounts that two persons make.
-- Source: docs/design.md §5, Duplicates; §7.

-- Installation-wide: a bank account (BIN, number) belongs to one organization.
CREATE TABLE bank_account_owner (
    bank_bin text NOT NULL CHECK (bank_bin ~ '^[0-9]{6}$'),
    account_number text NOT NULL CHECK (account_number ~ '^[0-9A-Za-z]{1,19}$'),
    organization_id int NOT NULL REFERENCES organization (id),
    PRIMARY KEY (bank_bin, account_number),
    UNIQUE (organization_id, bank_bin, account_number)
);
SELECT vienphi_isolate_tenant('bank_account_owner');

CREATE TABLE bank_account (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    bank_bin text NOT NULL,
    account_number text NOT NULL,
    holder text NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, bank_bin, account_number),
    FOREIGN KEY (organization_id, bank_bin, account_number)
        REFERENCES bank_account_owner (organization_id, bank_bin, account_number)
);
CREATE INDEX ON bank_account (organization_id, transaction_id);
SELECT vienphi_isolate_tenant('bank_account');

-- A contract with a provider. Settings hold no secret: `secret_name` names the secret in the settings of the service.
CREATE TABLE provider_account (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    provider text NOT NULL,
    bank_account_id uuid,
    settings jsonb NOT NULL,
    secret_name text,
    is_active boolean NOT NULL DEFAULT true,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, name),
    FOREIGN KEY (organization_id, bank_account_id) REFERENCES bank_account (organization_id, id)
);
SELECT vienphi_isolate_tenant('provider_account');

-- The merchant number in the settings of an account; NULL where they hold none. `bank_account_owner` distinguishes
-- accounts of bank transfers. A Stripe account without a number is identified by its secret.
CREATE FUNCTION vienphi_merchant(provider text, settings jsonb, secret_name text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT nullif(CASE provider
        WHEN 'vnpay' THEN settings ->> 'tmn_code'
        WHEN 'momo' THEN settings ->> 'partner_code'
        WHEN 'zalopay' THEN settings ->> 'app_id'
        WHEN 'payos' THEN settings ->> 'client_id'
        WHEN 'sepay_gateway' THEN settings ->> 'merchant_id'
        WHEN 'stripe' THEN coalesce(nullif(settings ->> 'account', ''), 'secret ' || secret_name)
    END, '')
$$;
REVOKE EXECUTE ON FUNCTION vienphi_merchant(text, jsonb, text) FROM PUBLIC;

-- One contract with a provider is one account. Two accounts of one merchant in two organizations would book its money
-- twice. The error does not name the other organization.
CREATE FUNCTION vienphi_one_account_of_merchant() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    merchant text := vienphi_merchant(NEW.provider, NEW.settings, coalesce(NEW.secret_name, NEW.name));
    own text := current_setting('vienphi.organization', true);
    organization int;
    is_taken boolean;
BEGIN
    IF merchant IS NULL OR TG_OP = 'UPDATE' AND merchant = vienphi_merchant(
        OLD.provider, OLD.settings, coalesce(OLD.secret_name, OLD.name)) THEN
        RETURN NEW;
    END IF;
    -- A second transaction that adds the same merchant waits until this one has ended.
    PERFORM pg_advisory_xact_lock(hashtextextended(NEW.provider || ' ' || merchant, 23));
    FOR organization IN SELECT vienphi_organizations() LOOP
        PERFORM set_config('vienphi.organization', organization::text, true);
        SELECT EXISTS (
            SELECT FROM provider_account AS other
            WHERE other.organization_id = organization AND other.provider = NEW.provider AND other.id <> NEW.id
                AND vienphi_merchant(other.provider, other.settings, coalesce(other.secret_name, other.name)) = merchant
        ) INTO is_taken;
        EXIT WHEN is_taken;
    END LOOP;
    PERFORM set_config('vienphi.organization', coalesce(own, ''), true);
    IF is_taken THEN
        RAISE EXCEPTION 'another account has this contract with the provider'
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'provider_account_one_merchant';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER one_account_of_merchant BEFORE INSERT OR UPDATE OF provider, settings, secret_name ON provider_account
    FOR EACH ROW EXECUTE FUNCTION vienphi_one_account_of_merchant();

-- A change of an account: one person proposes it, another person decides. The row holds the whole proposal. The service
-- cannot change an account; only vienphi_apply_account_change can, and it applies only a change approved by two persons.
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
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
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
CREATE INDEX ON account_change (organization_id, transaction_id);
CREATE TRIGGER decided_once BEFORE UPDATE ON account_change FOR EACH ROW WHEN (OLD.state <> 'proposed')
    EXECUTE FUNCTION vienphi_reject_row('a change is decided once');
SELECT vienphi_guard_states('account_change', ARRAY['proposed'], ARRAY['proposed>approved', 'proposed>rejected']);
SELECT vienphi_guard_once('account_change', 'decided_by', 'decided_at');
CREATE TRIGGER two_humans AFTER INSERT OR UPDATE ON account_change
    FOR EACH ROW EXECUTE FUNCTION vienphi_two_humans('proposed_by', 'decided_by', 'approved');
SELECT vienphi_isolate_tenant('account_change');
SELECT vienphi_grant_insert_except('account_change', 'decided_by', 'decided_at', 'transaction_id');
GRANT UPDATE (state, decided_by, decided_at) ON account_change TO vienphi_app;

-- Applies an approved change in the transaction that approves it. SECURITY DEFINER: the service may not write these
-- tables. `new_bank_account` is the id of the bank account if the bank account is new.
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
