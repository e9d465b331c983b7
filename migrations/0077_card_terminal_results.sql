-- The account 113 of a card terminal has a result of its own: card payments that no batch states yet, and what a batch
-- states beyond our slips. Source: docs/reconciliation.md, Result of a day.

ALTER TABLE day_result DROP CONSTRAINT day_result_account_kind_check,
    ADD CONSTRAINT day_result_account_kind_check CHECK (
        account_kind IN ('bank_account', 'bank_clearing', 'card_terminal', 'provider_account'));

ALTER TABLE day_result_item DROP CONSTRAINT day_result_item_kind_check,
    ADD CONSTRAINT day_result_item_kind_check CHECK (kind IN ('line_unmatched', 'line_posted_later',
        'line_posted_earlier', 'line_of_direct_entry', 'direct_entry', 'opening_difference', 'statement_gap',
        'payment_held', 'entry_held', 'card_batch_difference', 'settlement_line_unmatched'));
