-- Outflows that wait for their payment decide money later, so they stand under the seals as the other rows of 0020 do:
-- each gets the number of its transaction, rows of before that of this file. `payment_id` and `matched_at` change once
-- and are not sealed: the entry that books the match is.
SELECT vienphi_number_rows('unmatched_outflow');

-- The raw message of a dead letter is evidence until it ends, as its notices are, and who closes one approves the
-- reason that was proposed.
CREATE TRIGGER message_is_unchanged BEFORE UPDATE ON dead_letter FOR EACH ROW
    WHEN (num_nonnulls(OLD.retried_at, OLD.closed_at) = 0
        AND (NEW.path_suffix, NEW.query, NEW.headers, NEW.body, NEW.source_address)
            IS DISTINCT FROM (OLD.path_suffix, OLD.query, OLD.headers, OLD.body, OLD.source_address))
    EXECUTE FUNCTION vienphi_reject_row('the message of a dead letter is kept until it ends');
CREATE TRIGGER closed_for_its_reason BEFORE UPDATE ON dead_letter FOR EACH ROW
    WHEN (NEW.closed_by IS NOT NULL AND NEW.close_reason IS DISTINCT FROM OLD.close_reason)
    EXECUTE FUNCTION vienphi_reject_row('a dead letter is closed for the reason that was proposed');
