-- The threshold of a facility: when less of the deposit of an inpatient is left, the ward requests a further advance.
-- Source: docs/visit-accounts.md, Ward view; docs/reference/hospital-money.md, C-001.

-- In đồng; 0: an advance is requested once the cost passes the deposit.
ALTER TABLE deposit_setting ADD COLUMN threshold bigint NOT NULL DEFAULT 0 CHECK (threshold >= 0),
    ALTER COLUMN advance_type SET DEFAULT 'guarantee_deposit';
GRANT UPDATE (threshold) ON deposit_setting TO vienphi_app;

-- Open visits page by page, the newest first.
CREATE INDEX visit_account_open ON visit_account (organization_id, visit_id) WHERE state = 'open';
