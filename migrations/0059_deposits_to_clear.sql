-- The version of a deposit that the stored clearance of its visit was computed from is in the row of the deposit,
-- so that an index lists the deposits to clear. It replaces visit_account.cleared_deposit_version: the worker computes the
-- clearance of open visits with money once more. A new deposit is empty and has version 1. Source: docs/visit-accounts.md,
-- Clearance of orders.

ALTER TABLE deposit ADD COLUMN cleared_version int NOT NULL DEFAULT 1 CHECK (cleared_version > 0);
ALTER TABLE visit_account DROP COLUMN cleared_deposit_version;
GRANT UPDATE (cleared_version) ON deposit TO vienphi_app;

CREATE INDEX deposit_to_clear ON deposit (organization_id, visit_id) WHERE state = 'open' AND version <> cleared_version;
