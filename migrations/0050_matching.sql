-- Matching: contracts of provider accounts, runs, and what the ledger expects at the bank. Source:
-- docs/reconciliation.md, Matching.

-- How a provider account pays out, and its fee: `fee_basis_points` of the amount plus `fee_fixed` đồng. NULL: unknown.
-- `pays_out`: its money reaches the bank account as payouts, not as one line for each payment.
CREATE TABLE provider_contract (
    organization_id int NOT NULL,
    provider_account_id uuid NOT NULL,
    valid_from date NOT NULL,
    pays_out boolean NOT NULL,
    fee_basis_points int CHECK (fee_basis_points BETWEEN 0 AND 10000),
    fee_fixed bigint CHECK (fee_fixed >= 0),
    recorded_by uuid,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, provider_account_id, valid_from),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id),
    FOREIGN KEY (organization_id, recorded_by) REFERENCES person (organization_id, id),
    CONSTRAINT fee_is_complete CHECK ((fee_basis_points IS NULL) = (fee_fixed IS NULL))
);
SELECT vienphi_isolate_tenant('provider_contract');
SELECT vienphi_append_only('provider_contract');
GRANT INSERT ON provider_contract TO vienphi_app;

-- One run of the rules. `import_id`: only over what the lines of this import touch; NULL: over all open lines. A run
-- that was killed is abandoned by the next one; its committed matches stay, since each is complete.
CREATE TABLE match_run (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    rule_set int NOT NULL,
    import_id uuid,
    state text NOT NULL CHECK (state IN ('running', 'done', 'abandoned')),
    matches bigint NOT NULL DEFAULT 0 CHECK (matches >= 0),
    booked bigint NOT NULL DEFAULT 0 CHECK (booked >= 0),
    superseded bigint NOT NULL DEFAULT 0 CHECK (superseded >= 0),
    actor_kind text NOT NULL CHECK (actor_kind IN ('person', 'key', 'provider', 'system')),
    actor_id uuid,
    acting_for uuid,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, rule_set) REFERENCES match_rule_set (organization_id, version),
    FOREIGN KEY (organization_id, import_id) REFERENCES reconciliation_import (organization_id, id),
    CONSTRAINT ended_has_time CHECK ((state = 'running') = (ended_at IS NULL))
);
CREATE UNIQUE INDEX match_run_one_running ON match_run (organization_id) WHERE state = 'running';
CREATE INDEX ON match_run (organization_id, import_id) WHERE import_id IS NOT NULL;
SELECT vienphi_guard_states('match_run', ARRAY['running'], ARRAY['running>done', 'running>abandoned']);
SELECT vienphi_isolate_tenant('match_run');
SELECT vienphi_grant_insert_except('match_run', 'matches', 'booked', 'superseded', 'ended_at');
GRANT UPDATE (state, matches, booked, superseded, ended_at) ON match_run TO vienphi_app;

-- What a match posted, so that it is reverted alone: the subject of its clearing account (a provider account or a bank
-- account), and the fee that the provider kept.
ALTER TABLE match
    ADD COLUMN clearing_subject uuid,
    ADD COLUMN fee bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT posted_names_clearing CHECK (entry_id IS NULL OR clearing_subject IS NOT NULL);
SELECT vienphi_grant_insert_except('match', 'ended_at', 'ended_by', 'ended_reason', 'ending_entry_id');
GRANT UPDATE (clearing_subject, fee, rule, rule_set, run_id) ON match TO vienphi_app;

-- A run reads the lines of an import in the order of their ids; a rule finds lines by reference, code or amount.
DROP INDEX statement_line_organization_id_import_id_idx;
CREATE INDEX ON statement_line (organization_id, import_id, id);
DROP INDEX settlement_line_organization_id_import_id_idx;
CREATE INDEX ON settlement_line (organization_id, import_id, id);
CREATE INDEX statement_line_by_reference ON statement_line (organization_id, bank_account_id, bank_reference)
    WHERE bank_reference <> '';
CREATE INDEX statement_line_by_code ON statement_line (organization_id, (codes[1])) WHERE codes <> '{}';
CREATE INDEX statement_line_by_amount ON statement_line (organization_id, bank_account_id, amount, booked_on);

-- The provider account of an outflow. Money received is not in the index, so callbacks do not pay for it.
CREATE INDEX movement_key_of_outflow ON movement_key (organization_id, movement_id) WHERE movement <> 'received';

-- The day that is `days` working days (Monday to Friday) after a day; the service knows no holidays.
CREATE FUNCTION vienphi_working_day_after(day date, days int) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN day - greatest(extract(isodow FROM day)::int - 5, 0) + days
    + 2 * ((least(extract(isodow FROM day)::int, 5) - 1 + days) / 5);

-- Whether the money of a provider account arrives as payouts: by its contract, else by its provider, else because its
-- reports state payouts.
CREATE VIEW provider_channel (organization_id, provider_account_id, bank_account_id, pays_out)
    WITH (security_invoker = true) AS
SELECT account.organization_id, account.id, account.bank_account_id, coalesce(
    (SELECT contract.pays_out FROM provider_contract AS contract
     WHERE contract.organization_id = account.organization_id AND contract.provider_account_id = account.id
     ORDER BY contract.valid_from DESC LIMIT 1),
    account.provider IN ('vnpay', 'momo', 'zalopay', 'stripe', 'sepay_gateway')
        OR EXISTS (SELECT FROM payout WHERE payout.organization_id = account.organization_id
            AND payout.provider_account_id = account.id))
FROM provider_account AS account;

-- What a payout states: its lines, their gross amount, the fees that the provider kept, and the net amount that the
-- bank credits. `gross` has the sign of the bank account.
CREATE VIEW payout_amount (organization_id, payout_id, provider_account_id, bank_account_id, paid_out_on, lines, gross,
        fee, net) WITH (security_invoker = true) AS
SELECT payout.organization_id, payout.id, payout.provider_account_id, account.bank_account_id, payout.paid_out_on,
    stated.lines, stated.gross, stated.fee, stated.gross - stated.fee
FROM payout
JOIN provider_account AS account ON account.organization_id = payout.organization_id
    AND account.id = payout.provider_account_id
CROSS JOIN LATERAL (
    SELECT count(*) AS lines, coalesce(sum(line.fee), 0)::bigint AS fee,
        coalesce(sum(CASE WHEN line.movement = 'received' THEN line.amount ELSE -line.amount END), 0)::bigint AS gross
    FROM active_settlement_line AS line
    WHERE line.organization_id = payout.organization_id AND line.provider_account_id = payout.provider_account_id
        AND line.paid_out_on = payout.paid_out_on
) AS stated
WHERE stated.lines > 0;

-- The fee of each settlement line next to that of the contract of its day. `expected_fee` NULL: the contract states none.
CREATE VIEW settlement_fee (organization_id, settlement_line_id, provider_account_id, movement, amount, fee, expected_fee)
    WITH (security_invoker = true) AS
SELECT line.organization_id, line.id, line.provider_account_id, line.movement, line.amount, line.fee,
    CASE WHEN line.movement = 'received'
        THEN line.amount * contract.fee_basis_points / 10000 + contract.fee_fixed ELSE line.fee END
FROM active_settlement_line AS line
LEFT JOIN LATERAL (
    SELECT terms.fee_basis_points, terms.fee_fixed FROM provider_contract AS terms
    WHERE terms.organization_id = line.organization_id AND terms.provider_account_id = line.provider_account_id
        AND terms.valid_from <= coalesce((line.occurred_at AT TIME ZONE interval '7 hours')::date, line.paid_out_on,
            'infinity')
    ORDER BY terms.valid_from DESC LIMIT 1
) AS contract ON true;

-- What the ledger expects at the bank, derived from the rows of payments, refunds, outflows, payouts, card batches and
-- bank deposits. `amount` has the sign of the bank account; `clearing_subject` is the subject of the clearing account
-- that holds the amount.
CREATE VIEW bank_item (organization_id, item_kind, item_id, bank_account_id, provider_account_id, clearing_subject,
        amount, day, bank_reference, code, virtual_account) WITH (security_invoker = true) AS
SELECT payment.organization_id, 'payment', payment.id, payment.bank_account_id, payment.provider_account_id,
    coalesce(payment.provider_account_id, payment.bank_account_id), payment.amount,
    (payment.occurred_at AT TIME ZONE interval '7 hours')::date, payment.bank_reference,
    coalesce(intent.reference_code, ''), coalesce(intent.instruction ->> 'account_number', '')
FROM payment
LEFT JOIN intent ON intent.organization_id = payment.organization_id AND intent.id = payment.intent_id
LEFT JOIN provider_channel AS channel ON channel.organization_id = payment.organization_id
    AND channel.provider_account_id = payment.provider_account_id
WHERE payment.method IN ('provider', 'transfer') AND payment.bank_account_id IS NOT NULL
    AND channel.pays_out IS NOT TRUE
UNION ALL
SELECT stated.organization_id, 'payout', stated.payout_id, stated.bank_account_id, stated.provider_account_id,
    stated.provider_account_id, stated.net, stated.paid_out_on, '', '', ''
FROM payout_amount AS stated
JOIN provider_channel AS channel ON channel.organization_id = stated.organization_id
    AND channel.provider_account_id = stated.provider_account_id
WHERE stated.bank_account_id IS NOT NULL AND stated.net <> 0 AND channel.pays_out
UNION ALL
SELECT refund.organization_id, 'refund', refund.id, coalesce(refund.bank_account_id, channel.bank_account_id),
    refund.provider_account_id,
    coalesce(refund.provider_account_id, CASE WHEN refund.ended_by IS NULL THEN (
        -- A provider reported the outflow and completed the refund: it left the clearing account of the provider.
        SELECT account.id FROM movement_key AS named
        JOIN provider_account AS account ON account.organization_id = named.organization_id
            AND account.id = named.account_id
        WHERE named.organization_id = refund.organization_id AND named.movement_id = refund.outflow_id
            AND named.movement <> 'received' LIMIT 1) END, refund.bank_account_id),
    -refund.amount,
    (refund.sent_at AT TIME ZONE interval '7 hours')::date, refund.bank_reference, refund.reference, ''
FROM refund
LEFT JOIN provider_channel AS channel ON channel.organization_id = refund.organization_id
    AND channel.provider_account_id = refund.provider_account_id
WHERE refund.way <> 'cash' AND refund.state IN ('sent', 'unknown', 'done') AND channel.pays_out IS NOT TRUE
    AND coalesce(refund.bank_account_id, channel.bank_account_id) IS NOT NULL
UNION ALL
SELECT used.organization_id, 'outflow', used.payment_id, used.account_id, used.provider_account_id,
    used.provider_account_id, -used.amount, used.booked_on, used.reference, '', ''
FROM bank_reference AS used
JOIN provider_channel AS channel ON channel.organization_id = used.organization_id
    AND channel.provider_account_id = used.provider_account_id AND channel.bank_account_id = used.account_id
WHERE used.movement <> 'received' AND used.number = 1 AND NOT channel.pays_out
    AND NOT EXISTS (SELECT FROM refund WHERE refund.organization_id = used.organization_id
        AND refund.outflow_id = used.payment_id)
UNION ALL
SELECT batch.organization_id, 'card_batch', batch.id, terminal.bank_account_id, NULL, terminal.bank_account_id,
    batch.net, batch.day, '', batch.batch_number, ''
FROM card_batch AS batch
JOIN card_terminal AS terminal ON terminal.organization_id = batch.organization_id AND terminal.id = batch.terminal_id
WHERE terminal.bank_account_id IS NOT NULL AND batch.net > 0
UNION ALL
SELECT deposit.organization_id, 'bank_deposit', deposit.id, deposit.bank_account_id, NULL, deposit.bank_account_id,
    deposit.amount, (deposit.recorded_at AT TIME ZONE interval '7 hours')::date, deposit.slip, deposit.slip, ''
FROM bank_deposit AS deposit;

-- `due_on`: the day by which the line is expected, after the terms of the newest rule set (working days for each kind;
-- 1 if it states none). `match_id` is the live match of the item; `is_at_bank`: it has a confirmed statement line.
CREATE VIEW expected_item WITH (security_invoker = true) AS
SELECT item.*,
    vienphi_working_day_after(item.day, coalesce((SELECT (rules -> 'terms' ->> item.item_kind)::int FROM match_rule_set
        WHERE match_rule_set.organization_id = item.organization_id ORDER BY version DESC LIMIT 1), 1)) AS due_on,
    linked.match_id,
    linked.match_id IS NOT NULL AND EXISTS (
        SELECT FROM match_item AS other
        JOIN statement_line AS line ON line.organization_id = item.organization_id AND line.id = other.item_id
        WHERE other.organization_id = item.organization_id AND other.match_id = linked.match_id
            AND other.item_kind = 'statement_line' AND NOT line.is_tentative) AS is_at_bank
FROM bank_item AS item
LEFT JOIN match_item AS linked ON linked.organization_id = item.organization_id AND linked.item_kind = item.item_kind
    AND linked.item_id = item.item_id AND linked.is_live;

GRANT SELECT ON provider_channel, payout_amount, settlement_fee, bank_item, expected_item TO vienphi_app, vienphi_auditor;

-- A statement line that confirms money without a callback is a notice of its provider account's channel.
ALTER TABLE bank_reference DROP CONSTRAINT bank_reference_source_check,
    ADD CONSTRAINT bank_reference_source_check CHECK (source IN ('', 'callback', 'query', 'feed', 'statement'));
