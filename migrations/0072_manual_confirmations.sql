-- A head cashier states that a transfer has arrived which no notice and no statement shows yet. It is no payment and has no
-- receipt: it releases the lines of its deposit request until it ends, and an exception states it. Source: docs/ux.md, Manual
-- confirmation.

-- One row for each statement. `bank_reference` is that of the transfer as the bank shows it, in capitals without spaces: one
-- transfer releases one request. It ends when its request is paid or withdrawn, or when its exception is closed.
CREATE TABLE manual_confirmation (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    visit_id uuid NOT NULL,
    deposit_request_id uuid NOT NULL,
    exception_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    bank_reference text NOT NULL CHECK (bank_reference ~ '^[0-9A-Z]{6,100}$'),
    confirmed_by uuid NOT NULL,
    confirmed_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, bank_reference),
    UNIQUE (organization_id, exception_id),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit (organization_id, id),
    FOREIGN KEY (organization_id, deposit_request_id) REFERENCES deposit_request (organization_id, id),
    FOREIGN KEY (organization_id, exception_id) REFERENCES exception_case (organization_id, id),
    FOREIGN KEY (organization_id, confirmed_by) REFERENCES person (organization_id, id)
);
CREATE UNIQUE INDEX manual_confirmation_one_of_request ON manual_confirmation (organization_id, deposit_request_id)
    WHERE ended_at IS NULL;
CREATE INDEX ON manual_confirmation (organization_id, deposit_request_id);
CREATE INDEX ON manual_confirmation (organization_id, visit_id);
SELECT vienphi_guard_once('manual_confirmation', 'ended_at');
SELECT vienphi_isolate_tenant('manual_confirmation');
SELECT vienphi_grant_insert_except('manual_confirmation', 'ended_at');
GRANT UPDATE (ended_at) ON manual_confirmation TO vienphi_app;

-- `confirms_offline`: a head cashier may state it also while the service does not reach the providers.
ALTER TABLE cash_setting ADD COLUMN confirms_offline boolean NOT NULL DEFAULT false;
GRANT INSERT (confirms_offline), UPDATE (confirms_offline) ON cash_setting TO vienphi_app;
