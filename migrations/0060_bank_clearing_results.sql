-- The clearing account (113) of a bank account has a result of its own: confirmed transfers, card batches, bank deposits and
-- transfers of refunds that no statement has shown yet. Source: docs/reconciliation.md, Result of a day.

ALTER TABLE day_result DROP CONSTRAINT day_result_account_kind_check,
    ADD CONSTRAINT day_result_account_kind_check CHECK (
        account_kind IN ('bank_account', 'bank_clearing', 'provider_account'));
