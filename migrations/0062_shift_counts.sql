-- Counts of a shift before it ends, and the numbered minutes of each end. Source: docs/ux.md, Shift closing.

-- draft (saved while the cashier counts) → counted (the expected cash may be shown now) → checked (the receipts that are
-- not cash were ticked). A further count is a further row: what was counted before the expected cash was shown remains.
-- `missing_receipts` are the receipts that the cashier could not tick.
CREATE TABLE shift_count (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    shift_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('draft', 'counted', 'checked')),
    counted jsonb NOT NULL CHECK (jsonb_typeof(counted) = 'object'),
    counted_cash bigint NOT NULL CHECK (counted_cash >= 0),
    missing_receipts uuid[] NOT NULL DEFAULT '{}',
    saved_by uuid NOT NULL,
    saved_at timestamptz NOT NULL,
    counted_at timestamptz,
    checked_at timestamptz,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, shift_id) REFERENCES shift (organization_id, id),
    FOREIGN KEY (organization_id, saved_by) REFERENCES person (organization_id, id),
    CONSTRAINT count_has_times CHECK (
        (state = 'draft') = (counted_at IS NULL) AND (state = 'checked') = (checked_at IS NOT NULL))
);
CREATE INDEX ON shift_count (organization_id, shift_id, id);
CREATE UNIQUE INDEX shift_count_one_draft ON shift_count (organization_id, shift_id) WHERE state = 'draft';
SELECT vienphi_guard_states('shift_count', ARRAY['draft'], ARRAY['draft>counted', 'counted>checked']);
SELECT vienphi_guard_once('shift_count', 'counted_at', 'checked_at');
CREATE TRIGGER count_is_final BEFORE UPDATE ON shift_count FOR EACH ROW
    WHEN (OLD.state <> 'draft' AND (NEW.counted, NEW.counted_cash) IS DISTINCT FROM (OLD.counted, OLD.counted_cash))
    EXECUTE FUNCTION vienphi_reject_row('a count does not change any more');
SELECT vienphi_isolate_tenant('shift_count');
SELECT vienphi_grant_insert_except('shift_count', 'missing_receipts', 'counted_at', 'checked_at');
GRANT UPDATE (state, counted, counted_cash, missing_receipts, saved_by, saved_at, counted_at, checked_at)
    ON shift_count TO vienphi_app;

-- The minutes of a shift (biên bản chốt ca), numbered without gaps for each year and frozen when the shift ends.
CREATE TABLE shift_minutes (
    organization_id int NOT NULL,
    shift_id uuid NOT NULL,
    year int NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    document jsonb NOT NULL CHECK (jsonb_typeof(document) = 'object'),
    PRIMARY KEY (organization_id, shift_id),
    UNIQUE (organization_id, year, number),
    FOREIGN KEY (organization_id, shift_id) REFERENCES shift (organization_id, id)
);
SELECT vienphi_isolate_tenant('shift_minutes');
SELECT vienphi_append_only('shift_minutes');
GRANT INSERT ON shift_minutes TO vienphi_app;

-- When a receipt was printed first; later prints are counted in `reprints`.
ALTER TABLE receipt ADD COLUMN printed_at timestamptz,
    ADD CONSTRAINT reprinted_was_printed CHECK (reprints = 0 OR printed_at IS NOT NULL) NOT VALID;
SELECT vienphi_guard_once('receipt', 'printed_at');
SELECT vienphi_grant_insert_except('receipt', 'reprints', 'transaction_id', 'printed_at');
GRANT UPDATE (printed_at) ON receipt TO vienphi_app;
