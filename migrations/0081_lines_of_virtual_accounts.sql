-- The lines of all imports that compete for a payment requested to a virtual account. Other lines are not in the index.
CREATE INDEX statement_line_by_virtual_account ON statement_line
    (organization_id, virtual_account, amount, booked_on) WHERE virtual_account <> '';
