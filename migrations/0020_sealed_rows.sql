-- Seals of format 2: further rows under the seals, and one digest for each kind of row. Each sealed row carries the
-- number of the transaction that wrote it, as the journal's rows do (0006). Rows of before this file get the number of
-- this migration, so the next block seals them as they are now. Blocks of before keep format 1 and stay valid.
-- Source: DESIGN §4, Sealing; docs/ledger-verification.md.

CREATE FUNCTION vienphi_number_rows(numbered regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    EXECUTE format(
        'ALTER TABLE %s ADD COLUMN transaction_id xid8 NOT NULL DEFAULT public.vienphi_transaction_id()', numbered);
    EXECUTE format('CREATE INDEX ON %s (organization_id, transaction_id)', numbered);
    -- The number is the server's to assign. A grant by column does not contain the new one.
    IF has_table_privilege('vienphi_app', numbered, 'INSERT') THEN
        PERFORM public.vienphi_grant_insert_except(numbered, 'transaction_id');
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_number_rows(regclass) FROM PUBLIC;

SELECT vienphi_number_rows('event_key'), vienphi_number_rows('delivery'), vienphi_number_rows('exception_case'),
    vienphi_number_rows('dead_letter'), vienphi_number_rows('invoice'), vienphi_number_rows('account_change'),
    vienphi_number_rows('bank_account'), vienphi_number_rows('ledger_account'), vienphi_number_rows('ledger_number');

CREATE INDEX ON bank_reference (organization_id, transaction_id);  -- 0016 numbers its rows

-- {"posting": [2, "<SHA-256 of its rows, in hex>"], …}: the kinds of a block that has rows of them. NULL: format 1.
ALTER TABLE seal ADD COLUMN parts jsonb CHECK (jsonb_typeof(parts) = 'object');
