-- Bank accounts, provider accounts, and the application of approved changes of provider accounts.
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

-- Applies an approved change of an account in the transaction that approves it. SECURITY DEFINER: the service may not
-- write these tables. `change` is the approval, whose payload holds settings, settings_before, payee and is_active;
-- `new_bank_account` is the id of the bank account if the bank account is new.
CREATE FUNCTION vienphi_apply_account_change(change uuid, new_bank_account uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    organization int := NULLIF(current_setting('vienphi.organization', true), '')::int;
    approved public.approval;
    payee jsonb;
    bank uuid;
BEGIN
    SELECT * INTO approved FROM public.approval
    WHERE organization_id = organization AND id = change AND kind = 'account_change';
    IF NOT FOUND OR approved.state <> 'approved' OR approved.decided_by = approved.proposed_by THEN
        RAISE EXCEPTION 'no change that two persons stand for' USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM FROM public.approval
    WHERE organization_id = organization AND id = change AND xmin = pg_catalog.pg_current_xact_id()::xid;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the change was not decided in this transaction' USING ERRCODE = 'restrict_violation';
    END IF;
    payee := nullif(approved.payload -> 'payee', 'null');
    IF payee IS NOT NULL THEN
        SELECT id INTO bank FROM public.bank_account
        WHERE organization_id = organization AND bank_bin = payee ->> 'bank_bin'
            AND account_number = payee ->> 'account_number' AND holder = payee ->> 'holder';
        IF NOT FOUND THEN
            bank := new_bank_account;
            INSERT INTO public.bank_account_owner (bank_bin, account_number, organization_id)
                VALUES (payee ->> 'bank_bin', payee ->> 'account_number', organization);
            INSERT INTO public.bank_account (organization_id, id, bank_bin, account_number, holder)
                VALUES (organization, bank, payee ->> 'bank_bin', payee ->> 'account_number', payee ->> 'holder');
        END IF;
    END IF;
    UPDATE public.provider_account
    SET settings = approved.payload -> 'settings', is_active = (approved.payload -> 'is_active')::boolean,
        bank_account_id = coalesce(bank, bank_account_id)
    WHERE organization_id = organization AND id = approved.subject_id
        AND settings = approved.payload -> 'settings_before';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the account has changed since' USING ERRCODE = 'restrict_violation';
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_apply_account_change(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vienphi_apply_account_change(uuid, uuid) TO vienphi_app;
