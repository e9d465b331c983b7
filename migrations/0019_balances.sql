-- Balance snapshots of rollup accounts. Source: docs/design.md §4, Accounts and Watermarks.

-- The end of the snapshots: they contain all postings of transactions before covers_until, and none from it on.
CREATE TABLE balance_watermark (
    organization_id int NOT NULL REFERENCES organization (id),
    covers_until xid8 NOT NULL,
    taken_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id)
);
SELECT vienphi_isolate_tenant('balance_watermark');

-- Debits and credits of each account on each accounting date, up to the watermark. A balance is their sum plus the later
-- postings.
CREATE TABLE balance_snapshot (
    organization_id int NOT NULL,
    account_id uuid NOT NULL,
    accounting_date date NOT NULL,
    debit bigint NOT NULL CHECK (debit >= 0),
    credit bigint NOT NULL CHECK (credit >= 0),
    PRIMARY KEY (organization_id, account_id, accounting_date),
    FOREIGN KEY (organization_id, account_id) REFERENCES ledger_account (organization_id, id)
);
SELECT vienphi_isolate_tenant('balance_snapshot');

-- Only this function writes snapshots. It locks the row of the watermark first, so a second caller waits and continues
-- where the first ended. Returns the number of postings.
CREATE FUNCTION vienphi_extend_snapshots(taken_at timestamptz, postings_max int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    organization int := NULLIF(current_setting('vienphi.organization', true), '')::int;
    first_id xid8;
    end_id xid8;
    finished_postings int;
BEGIN
    INSERT INTO public.balance_watermark (organization_id, covers_until, taken_at)
        VALUES (organization, '0', vienphi_extend_snapshots.taken_at) ON CONFLICT DO NOTHING;
    SELECT covers_until INTO first_id FROM public.balance_watermark WHERE organization_id = organization FOR UPDATE;
    -- The next part ends at the watermark, or with the transaction in which the limit falls.
    SELECT least(public.vienphi_watermark(), (
        SELECT (transaction_id::text::bigint + 1)::text::xid8 FROM public.posting
        WHERE organization_id = organization AND transaction_id >= first_id
        ORDER BY transaction_id OFFSET greatest(postings_max, 1) - 1 LIMIT 1)) INTO end_id
    WHERE EXISTS (SELECT FROM public.posting WHERE organization_id = organization AND transaction_id >= first_id
        AND transaction_id < public.vienphi_watermark());
    IF end_id IS NULL THEN
        RETURN 0;
    END IF;
    WITH finished AS MATERIALIZED (
        SELECT debit_account_id, credit_account_id, amount, (
            SELECT accounting_date FROM public.journal_entry
            WHERE journal_entry.organization_id = organization AND journal_entry.id = posting.entry_id
        ) AS accounting_date
        FROM public.posting
        WHERE posting.organization_id = organization AND transaction_id >= first_id AND transaction_id < end_id
    ), moved AS (
        SELECT account_id, accounting_date, sum(debit) AS debit, sum(credit) AS credit FROM (
            SELECT debit_account_id AS account_id, accounting_date, amount AS debit, 0 AS credit FROM finished
            UNION ALL
            SELECT credit_account_id, accounting_date, 0, amount FROM finished
        ) AS sides GROUP BY account_id, accounting_date
    ), added AS (
        INSERT INTO public.balance_snapshot AS stored (organization_id, account_id, accounting_date, debit, credit)
        SELECT organization, account_id, accounting_date, debit, credit FROM moved
        ON CONFLICT (organization_id, account_id, accounting_date) DO UPDATE
            SET debit = stored.debit + excluded.debit, credit = stored.credit + excluded.credit
    ), advanced AS (
        UPDATE public.balance_watermark
        SET covers_until = end_id, taken_at = vienphi_extend_snapshots.taken_at
        WHERE organization_id = organization
    )
    SELECT count(*) INTO finished_postings FROM finished;
    RETURN finished_postings;
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_extend_snapshots(timestamptz, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vienphi_extend_snapshots(timestamptz, int) TO vienphi_app;
