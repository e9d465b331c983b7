-- One contract at a provider, one account. Two accounts that receive the money of one merchant book it twice as soon as
-- they belong to two organizations: a second one is refused, here as for a bank account, without saying whose the first
-- is. Accounts that exist already stay. Source: DESIGN §5, Duplicates.
--
-- compatible-from: 0022

-- Which contract at its provider an account is, as its settings say; NULL where they do not. Money of bank accounts is
-- told apart by `bank_account_owner`. A Stripe account without a number of its own is known by its secret.
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
    -- Whoever adds the same at the same moment waits until this transaction has ended.
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
