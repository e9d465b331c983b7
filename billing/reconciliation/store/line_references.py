"""Where a bank reference in its normal form is found, as parts of statements that match lines by it.

`normal_reference` (migration 0084) is NULL where the bank writes a reference in the normal form, as nearly all do.
"""

# Two look-ups by index; the second one only if there is such a line at all.
LINES_OF_REFERENCE = """
            SELECT line.* FROM statement_line AS line
            WHERE line.organization_id = $1 AND line.bank_reference = given.reference AND line.bank_reference <> ''
                AND line.bank_account_id::text = given.bank_account_id::text
            UNION ALL
            SELECT line.* FROM statement_line AS line
            WHERE (SELECT EXISTS (SELECT FROM statement_line AS other
                    WHERE other.organization_id = $1 AND other.normal_reference IS NOT NULL))
                AND line.organization_id = $1 AND line.normal_reference = given.reference
                AND line.bank_account_id::text = given.bank_account_id::text
            OFFSET 0
"""
"""The lines of `given.reference`, which is in the normal form, on the account `given.bank_account_id`."""

# A person types the reference of a transfer; it stays as typed, and its index is by that text.
TRANSFERS_IN_OTHER_FORM = """
    other_form AS MATERIALIZED (
        SELECT payment.id, payment.amount, payment.bank_account_id,
            (payment.occurred_at AT TIME ZONE interval '7 hours')::date AS day,
            vienphi_normal_reference(payment.bank_reference) AS reference
        FROM payment
        WHERE payment.organization_id = $1 AND payment.method = 'transfer'
            AND payment.bank_reference <> vienphi_normal_reference(payment.bank_reference)
    )
"""
"""The few confirmed transfers whose reference was not typed in the normal form: an expression of WITH."""
