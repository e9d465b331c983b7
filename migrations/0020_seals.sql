-- Seals: a chain of blocks over finished rows. Source: docs/design.md §4, Sealing; docs/ledger-verification.md.
--
-- Each block begins at the id and with the hash where the block before it ended, which the foreign key enforces: the
-- chain has no gap and no fork. The hash covers the columns of the block and its rows. `parts` holds the count and digest
-- of each kind of row, as {"posting": [2, "<SHA-256 in hex>"], …}.
CREATE TABLE seal (
    organization_id int NOT NULL REFERENCES organization (id),
    number bigint NOT NULL CHECK (number > 0),
    previous_number bigint,
    previous_hash bytea NOT NULL CHECK (octet_length(previous_hash) = 32),
    covers_from xid8 NOT NULL,
    covers_until xid8 NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    parts jsonb NOT NULL CHECK (jsonb_typeof(parts) = 'object'),
    sealed_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, number),
    UNIQUE (organization_id, number, covers_until, hash),
    FOREIGN KEY (organization_id, previous_number, covers_from, previous_hash)
        REFERENCES seal (organization_id, number, covers_until, hash),
    CONSTRAINT covers_something CHECK (covers_from < covers_until),
    CONSTRAINT follows_its_previous CHECK (
        CASE WHEN number = 1
            THEN previous_number IS NULL AND covers_from = '0'::xid8
                AND previous_hash = decode(repeat('00', 32), 'hex')
            ELSE previous_number IS NOT NULL AND previous_number = number - 1
        END)
);
CREATE INDEX ON seal (organization_id, covers_until);
-- AFTER, so that the foreign key of the chain reports a gap first.
CREATE TRIGGER covers_finished_rows AFTER INSERT ON seal FOR EACH ROW WHEN (NEW.covers_until > vienphi_watermark())
    EXECUTE FUNCTION vienphi_reject_row('a seal covers finished transactions');
SELECT vienphi_isolate_tenant('seal');
SELECT vienphi_append_only('seal');
GRANT INSERT ON seal TO vienphi_app;
