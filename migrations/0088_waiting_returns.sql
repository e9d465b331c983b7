-- compatible-from: 0087
-- without-transaction
-- The requests of payers that wait for finance.
CREATE INDEX CONCURRENTLY surplus_choice_return ON surplus_choice (organization_id, chosen_at, intent_id)
    WHERE choice = 'return' AND accepted_at IS NULL AND declined_at IS NULL;
