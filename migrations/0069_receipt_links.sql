-- The public address of a receipt holds a random token, which is part of its printed form: it is found by it, and is gone
-- once the form is erased. Source: docs/visit-accounts.md, Cash.
CREATE UNIQUE INDEX receipt_print_token ON receipt_print (organization_id, (document ->> 'token'))
    WHERE document ? 'token';
