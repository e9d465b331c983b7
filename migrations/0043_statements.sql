-- Bank statements and settlement reports: files, their statements and lines. Source: docs/reconciliation.md, Tables.
-- Rows of an import that is not active count for nothing: readers use the views active_statement_line and
-- active_settlement_line.

-- One file. Lines are staged in committed chunks; one UPDATE of `state` activates all of them. One import of an
-- organization is staged at a time: the advisory lock of the importing session ends with the session, and the next
-- import discards what a killed one left.
CREATE TABLE reconciliation_import (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('statement', 'settlement')),
    provider_account_id uuid,
    file_name text NOT NULL CHECK (length(file_name) <= 255),
    file_hash bytea NOT NULL CHECK (octet_length(file_hash) = 32),
    profile text NOT NULL DEFAULT '',
    state text NOT NULL CHECK (state IN ('staging', 'active', 'refused', 'discarded')),
    lines bigint NOT NULL DEFAULT 0 CHECK (lines >= 0),
    new_lines bigint NOT NULL DEFAULT 0 CHECK (new_lines BETWEEN 0 AND lines),
    refusal text NOT NULL DEFAULT '',
    actor_kind text NOT NULL CHECK (actor_kind IN ('person', 'key', 'provider', 'system')),
    actor_id uuid,
    acting_for uuid,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id),
    CONSTRAINT settlement_names_account CHECK ((kind = 'settlement') = (provider_account_id IS NOT NULL)),
    CONSTRAINT ended_has_time CHECK ((state = 'staging') = (ended_at IS NULL)),
    CONSTRAINT refused_has_reason CHECK ((state = 'refused') = (refusal <> ''))
);
CREATE UNIQUE INDEX reconciliation_import_one_staged ON reconciliation_import (organization_id) WHERE state = 'staging';
CREATE UNIQUE INDEX reconciliation_import_settlement_once
    ON reconciliation_import (organization_id, provider_account_id, file_hash) WHERE state = 'active' AND kind = 'settlement';
CREATE UNIQUE INDEX reconciliation_import_statement_once
    ON reconciliation_import (organization_id, file_hash) WHERE state = 'active' AND kind = 'statement';
SELECT vienphi_guard_states('reconciliation_import', ARRAY['staging'],
    ARRAY['staging>active', 'staging>refused', 'staging>discarded']);
SELECT vienphi_isolate_tenant('reconciliation_import');
SELECT vienphi_grant_insert_except('reconciliation_import', 'lines', 'new_lines', 'refusal', 'ended_at');
GRANT UPDATE (state, profile, lines, new_lines, refusal, ended_at) ON reconciliation_import TO vienphi_app;

-- One statement of a file: opening + the sum of its lines = closing (the reader has checked it).
CREATE TABLE bank_statement (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    import_id uuid NOT NULL,
    bank_account_id uuid NOT NULL,
    position int NOT NULL CHECK (position > 0),
    sequence text,
    from_day date NOT NULL,
    to_day date NOT NULL CHECK (to_day >= from_day),
    opening bigint NOT NULL,
    closing bigint NOT NULL,
    lines bigint NOT NULL CHECK (lines >= 0),
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, import_id, position),
    FOREIGN KEY (organization_id, import_id) REFERENCES reconciliation_import (organization_id, id),
    FOREIGN KEY (organization_id, bank_account_id) REFERENCES bank_account (organization_id, id)
);
CREATE INDEX ON bank_statement (organization_id, bank_account_id, from_day);
SELECT vienphi_isolate_tenant('bank_statement');
GRANT INSERT, DELETE ON bank_statement TO vienphi_app;

-- One movement on a statement. `key` recognises the line in another file (`line_key`); a line that a later file repeats
-- keeps its first row. `amount` is positive for money into our account. `codes` are the reference codes of its text.
-- `is_tentative`: reported during the day, until a complete statement repeats it.
CREATE TABLE statement_line (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    import_id uuid NOT NULL,
    bank_account_id uuid NOT NULL,
    key uuid NOT NULL,
    booked_on date NOT NULL,
    occurred_at timestamptz,
    amount bigint NOT NULL CHECK (amount <> 0),
    balance bigint,
    kind text NOT NULL CHECK (kind IN ('movement', 'fee', 'tax')),
    bank_reference text NOT NULL DEFAULT '',
    virtual_account text NOT NULL DEFAULT '',
    codes text[] NOT NULL DEFAULT '{}',
    is_tentative boolean NOT NULL DEFAULT false,
    row bigint NOT NULL,
    sheet text NOT NULL DEFAULT '',
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, bank_account_id, key),
    FOREIGN KEY (organization_id, import_id) REFERENCES reconciliation_import (organization_id, id),
    FOREIGN KEY (organization_id, bank_account_id) REFERENCES bank_account (organization_id, id)
);
CREATE INDEX ON statement_line (organization_id, bank_account_id, booked_on);
CREATE INDEX ON statement_line (organization_id, import_id);
SELECT vienphi_isolate_tenant('statement_line');
GRANT INSERT, DELETE, UPDATE (is_tentative) ON statement_line TO vienphi_app;

-- Personal: the narrative and the other side of a movement. Deleted after its retention.
CREATE TABLE statement_line_text (
    organization_id int NOT NULL,
    line_id uuid NOT NULL,
    text text NOT NULL,
    counterparty_name text NOT NULL DEFAULT '',
    counterparty_account text NOT NULL DEFAULT '',
    counterparty_bank text NOT NULL DEFAULT '',
    PRIMARY KEY (organization_id, line_id)
);
SELECT vienphi_isolate_tenant('statement_line_text', is_personal => true);
GRANT INSERT, DELETE ON statement_line_text TO vienphi_app;

-- One movement in a provider's report of a provider account. `key` recognises the line in another report: movement,
-- transaction, amount, fee, and the ordinal among equal lines. Lines with one `paid_out_on` are one payout.
CREATE TABLE settlement_line (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    import_id uuid NOT NULL,
    provider_account_id uuid NOT NULL,
    key uuid NOT NULL,
    transaction text NOT NULL,
    reference text NOT NULL DEFAULT '',
    movement text NOT NULL CHECK (movement IN ('received', 'refunded', 'reversed')),
    amount bigint NOT NULL CHECK (amount > 0),
    fee bigint NOT NULL DEFAULT 0 CHECK (fee >= 0),
    bank_reference text NOT NULL DEFAULT '',
    occurred_at timestamptz,
    paid_out_on date,
    row bigint NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, provider_account_id, key),
    FOREIGN KEY (organization_id, import_id) REFERENCES reconciliation_import (organization_id, id),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id)
);
CREATE INDEX ON settlement_line (organization_id, provider_account_id, transaction);
CREATE INDEX ON settlement_line (organization_id, provider_account_id, paid_out_on);
CREATE INDEX ON settlement_line (organization_id, import_id);
SELECT vienphi_isolate_tenant('settlement_line');
GRANT INSERT, DELETE ON settlement_line TO vienphi_app;

-- What a provider pays to our bank account on one day: the settlement lines with this day, net of fees.
CREATE TABLE payout (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    provider_account_id uuid NOT NULL,
    paid_out_on date NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, provider_account_id, paid_out_on),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id)
);
SELECT vienphi_isolate_tenant('payout');
SELECT vienphi_append_only('payout');
GRANT INSERT ON payout TO vienphi_app;

-- Rows of an active import stay: only a staged or discarded import may be emptied.
CREATE FUNCTION vienphi_keep_active_import() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM reconciliation_import WHERE organization_id = OLD.organization_id AND id = OLD.import_id
            AND state = 'active') THEN
        RAISE EXCEPTION '%: rows of an active import stay', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER active_rows_stay BEFORE DELETE ON bank_statement
    FOR EACH ROW EXECUTE FUNCTION vienphi_keep_active_import();
CREATE TRIGGER active_rows_stay BEFORE DELETE ON statement_line
    FOR EACH ROW EXECUTE FUNCTION vienphi_keep_active_import();
CREATE TRIGGER active_rows_stay BEFORE DELETE ON settlement_line
    FOR EACH ROW EXECUTE FUNCTION vienphi_keep_active_import();

CREATE VIEW active_statement_line WITH (security_invoker = true) AS
SELECT line.* FROM statement_line AS line
WHERE EXISTS (SELECT FROM reconciliation_import AS import
    WHERE import.organization_id = line.organization_id AND import.id = line.import_id AND import.state = 'active');
CREATE VIEW active_settlement_line WITH (security_invoker = true) AS
SELECT line.* FROM settlement_line AS line
WHERE EXISTS (SELECT FROM reconciliation_import AS import
    WHERE import.organization_id = line.organization_id AND import.id = line.import_id AND import.state = 'active');
GRANT SELECT ON active_statement_line, active_settlement_line TO vienphi_app, vienphi_auditor;
