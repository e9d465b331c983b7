-- compatible-from: 0082
-- without-transaction
-- The page of a refund leads to the receipts that paid it out.
CREATE INDEX CONCURRENTLY receipt_part_refund ON receipt_part (organization_id, refund_id) WHERE refund_id IS NOT NULL;
