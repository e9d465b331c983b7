-- The version of the deposit that the stored clearance of a visit was computed from. Callbacks change the deposit and do
-- not compute the clearance; the worker computes it where the version of the deposit is another one. A new deposit is
-- empty and has version 1. Source: docs/visit-accounts.md, Clearance of orders.

ALTER TABLE visit_account
    ADD COLUMN cleared_deposit_version int NOT NULL DEFAULT 1 CHECK (cleared_deposit_version > 0);
GRANT UPDATE (cleared_deposit_version) ON visit_account TO vienphi_app;
