-- A head cashier confirms a transfer manually also for an advance and for an invoice: what a patient pays by a code.
-- Source: docs/visit-accounts.md, Manual confirmation.
ALTER TABLE manual_confirmation ALTER COLUMN deposit_request_id DROP NOT NULL,
    ADD COLUMN invoice_id uuid,
    ADD FOREIGN KEY (organization_id, invoice_id) REFERENCES invoice (organization_id, id),
    ADD CONSTRAINT one_target CHECK (num_nonnulls(deposit_request_id, invoice_id) = 1);
GRANT INSERT (invoice_id) ON manual_confirmation TO vienphi_app;
