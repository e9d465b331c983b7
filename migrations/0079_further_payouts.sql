-- Lines that a report adds to a day whose payout the bank has shown are a further payout of that day: its provider pays
-- them with a credit of their own. Source: docs/reconciliation.md, Tables.

ALTER TABLE payout ADD COLUMN number int NOT NULL DEFAULT 1 CHECK (number > 0),
    DROP CONSTRAINT payout_organization_id_provider_account_id_paid_out_on_key,
    ADD UNIQUE (organization_id, provider_account_id, paid_out_on, number);

ALTER TABLE settlement_line ADD COLUMN payout_number int NOT NULL DEFAULT 1 CHECK (payout_number > 0);
CREATE TRIGGER payout_number_stays BEFORE UPDATE ON settlement_line FOR EACH ROW
    WHEN (OLD.payout_number <> 1 AND NEW.payout_number <> OLD.payout_number)
    EXECUTE FUNCTION vienphi_reject_row('the payout of a line is set once');
GRANT UPDATE (payout_number) ON settlement_line TO vienphi_app;

CREATE OR REPLACE VIEW active_settlement_line WITH (security_invoker = true) AS
SELECT line.* FROM settlement_line AS line
WHERE EXISTS (SELECT FROM reconciliation_import AS import
    WHERE import.organization_id = line.organization_id AND import.id = line.import_id AND import.state = 'active');

CREATE OR REPLACE VIEW payout_amount (organization_id, payout_id, provider_account_id, bank_account_id, paid_out_on,
        lines, gross, fee, net) WITH (security_invoker = true) AS
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
        AND line.paid_out_on = payout.paid_out_on AND line.payout_number = payout.number
) AS stated
WHERE stated.lines > 0;
