-- A transfer that a person confirmed names its bank account and the bank's reference, so that it is confirmed once, and a
-- callback or feed that reports it later is a duplicate candidate. Source: docs/design.md §5, Duplicates.

CREATE UNIQUE INDEX payment_one_of_confirmed_transfer ON payment (organization_id, bank_account_id, bank_reference)
    WHERE method = 'transfer';
ALTER TABLE payment ADD CONSTRAINT transfer_names_bank_movement CHECK (
    method <> 'transfer' OR (bank_account_id IS NOT NULL AND bank_reference <> ''));

-- One reference of the bank confirms one refund.
CREATE UNIQUE INDEX refund_one_of_bank_reference ON refund (organization_id, bank_account_id, bank_reference)
    WHERE way = 'manual_transfer' AND state = 'done' AND bank_reference <> '';
