-- compatible-from: 0090
-- without-transaction
-- An invoice has one confirmation that stands.
CREATE UNIQUE INDEX CONCURRENTLY manual_confirmation_one_of_invoice ON manual_confirmation (organization_id, invoice_id)
    WHERE ended_at IS NULL;
