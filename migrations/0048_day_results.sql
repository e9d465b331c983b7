-- The results of a closed day, with the items of its bridges and its certificate. Source: docs/reconciliation.md, Result of
-- a day; docs/ledger-verification.md.

-- The result of one account. `statement_closing` is the balance that the bank states (1121), NULL for a provider account
-- (113). A day that is incomplete is not closed, so it has no row.
CREATE TABLE day_result (
    organization_id int NOT NULL,
    day date NOT NULL,
    account_kind text NOT NULL CHECK (account_kind IN ('bank_account', 'provider_account')),
    account_id uuid NOT NULL,
    result text NOT NULL CHECK (result IN ('breaks', 'reconciled_with_pending', 'reconciled')),
    statement_closing bigint,
    ledger_balance bigint NOT NULL,
    residual bigint NOT NULL,
    open_exceptions int NOT NULL CHECK (open_exceptions >= 0),
    PRIMARY KEY (organization_id, day, account_kind, account_id),
    FOREIGN KEY (organization_id, day) REFERENCES day_closing (organization_id, day),
    CONSTRAINT bank_has_statement CHECK ((account_kind = 'bank_account') = (statement_closing IS NOT NULL)),
    CONSTRAINT residual_is_a_break CHECK (residual = 0 OR result = 'breaks'),
    CONSTRAINT exception_is_a_break CHECK (open_exceptions = 0 OR result = 'breaks')
);
CREATE INDEX ON day_result (organization_id, account_kind, account_id, day);
SELECT vienphi_isolate_tenant('day_result');
SELECT vienphi_append_only('day_result');
GRANT INSERT ON day_result TO vienphi_app;

-- One item of a bridge: why the balances of the account differ. `item_id` is the statement line, settlement line, payment
-- or entry; NULL for a difference of balances.
CREATE TABLE day_result_item (
    organization_id int NOT NULL,
    day date NOT NULL,
    account_kind text NOT NULL,
    account_id uuid NOT NULL,
    position int NOT NULL CHECK (position > 0),
    kind text NOT NULL CHECK (kind IN ('line_unmatched', 'line_posted_later', 'line_posted_earlier',
        'line_of_direct_entry', 'direct_entry', 'opening_difference', 'statement_gap', 'payment_held', 'entry_held',
        'settlement_line_unmatched')),
    item_id uuid,
    amount bigint NOT NULL CHECK (amount <> 0),
    PRIMARY KEY (organization_id, day, account_kind, account_id, position),
    FOREIGN KEY (organization_id, day, account_kind, account_id)
        REFERENCES day_result (organization_id, day, account_kind, account_id),
    CONSTRAINT item_is_named CHECK ((item_id IS NULL) = (kind IN ('opening_difference', 'statement_gap')))
);
SELECT vienphi_isolate_tenant('day_result_item');
SELECT vienphi_append_only('day_result_item');
GRANT INSERT ON day_result_item TO vienphi_app;

-- The content of the certificate of a closed day: canonical JSON, compressed by zlib, and its SHA-256, which is sealed.
CREATE TABLE day_certificate (
    organization_id int NOT NULL,
    day date NOT NULL,
    content bytea NOT NULL,
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, day),
    FOREIGN KEY (organization_id, day) REFERENCES day_closing (organization_id, day)
);
CREATE INDEX ON day_certificate (organization_id, transaction_id);
SELECT vienphi_isolate_tenant('day_certificate');
SELECT vienphi_append_only('day_certificate');
SELECT vienphi_grant_insert_except('day_certificate', 'transaction_id');

-- The state of a line or payment on a day is that of all its matches, the ended ones too.
CREATE INDEX ON match_item (organization_id, item_kind, item_id);
CREATE INDEX ON match (organization_id, ending_entry_id) WHERE ending_entry_id IS NOT NULL;
CREATE INDEX ON match (organization_id, ended_at) WHERE ended_at IS NOT NULL;
