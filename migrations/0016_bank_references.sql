-- Weak names of money. A bank restarts, repeats and abbreviates its references, so one of them may stand with several
-- payments: each row is one event that carried it. account_id is the bank account, or the provider account where none
-- is known. `name` is the event's strong name inside provider_account_id; empty where it is not known any more.
CREATE TABLE bank_reference (
    organization_id int NOT NULL,
    account_id uuid NOT NULL,
    movement text NOT NULL CHECK (movement IN ('received', 'refunded', 'reversed')),
    reference text NOT NULL CHECK (length(reference) BETWEEN 1 AND 300),
    number int NOT NULL CHECK (number > 0),
    payment_id uuid NOT NULL,
    provider_account_id uuid NOT NULL,
    source text NOT NULL CHECK (source IN ('', 'callback', 'query', 'feed')),
    name text NOT NULL CHECK (length(name) <= 300),
    amount bigint NOT NULL CHECK (amount > 0),
    booked_on date NOT NULL,
    codes text[] NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, account_id, movement, reference, number),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id)
);
SELECT vienphi_isolate_tenant('bank_reference');
GRANT INSERT (organization_id, account_id, movement, reference, number, payment_id, provider_account_id, source, name,
    amount, booked_on, codes), UPDATE (payment_id) ON bank_reference TO vienphi_app;

-- A reference is put under an earlier payment by the transaction that claims it, and by no later one.
CREATE FUNCTION vienphi_guard_bank_reference() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF OLD.transaction_id <> vienphi_transaction_id() THEN
        RAISE EXCEPTION 'a bank reference that an earlier transaction reserved stays as it is'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER reference_is_reserved_once BEFORE UPDATE ON bank_reference FOR EACH ROW
    EXECUTE FUNCTION vienphi_guard_bank_reference();

-- References of before stood among the strong names. vietqr.vn and payOS had names made of them, which say nothing.
DO $$
DECLARE
    organization int;
BEGIN
    FOR organization IN SELECT vienphi_organizations() LOOP
        PERFORM set_config('vienphi.organization', organization::text, true);
        INSERT INTO bank_reference (organization_id, account_id, movement, reference, number, payment_id,
            provider_account_id, source, name, amount, booked_on, codes)
        SELECT organization, known.account_id, known.movement, known.reference,
            row_number() OVER (PARTITION BY known.account_id, known.movement, known.reference ORDER BY payment.id),
            payment.id, payment.provider_account_id, '',
            CASE WHEN account.provider IN ('vietqr', 'payos') THEN '' ELSE coalesce(strong.key, '') END,
            payment.amount, (payment.occurred_at AT TIME ZONE interval '7 hours')::date,
            CASE WHEN intent.id IS NULL THEN '{}' ELSE ARRAY[intent.reference_code] END
        FROM (
            SELECT account_id, movement, movement_id, upper(regexp_replace(substr(key, 6), '\s', '', 'g')) AS reference
            FROM movement_key WHERE organization_id = organization AND key LIKE 'bank:%' AND movement = 'received'
        ) AS known
        JOIN payment ON payment.organization_id = organization AND payment.id = known.movement_id
        JOIN provider_account AS account
            ON account.organization_id = organization AND account.id = payment.provider_account_id
        LEFT JOIN intent ON intent.organization_id = organization AND intent.id = payment.intent_id
        LEFT JOIN LATERAL (
            SELECT min(key) AS key FROM movement_key
            WHERE organization_id = organization AND account_id = payment.provider_account_id
                AND movement = 'received' AND movement_id = payment.id AND key LIKE 'transaction:%'
        ) AS strong ON true
        WHERE known.reference <> '';
    END LOOP;
    PERFORM set_config('vienphi.organization', '', true);
END $$;
