-- A later report may state the payout day of a settlement line whose first report had none. It is set once.
CREATE TRIGGER payout_day_stays BEFORE UPDATE ON settlement_line FOR EACH ROW
    WHEN (OLD.paid_out_on IS NOT NULL AND NEW.paid_out_on IS DISTINCT FROM OLD.paid_out_on)
    EXECUTE FUNCTION vienphi_reject_row('the payout day of a line is set once');
GRANT UPDATE (paid_out_on) ON settlement_line TO vienphi_app;
