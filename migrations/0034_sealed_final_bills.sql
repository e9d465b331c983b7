-- Final bills are sealed by their transactions, as corrections are. Source: docs/ledger-verification.md.

CREATE INDEX ON final_bill (organization_id, transaction_id);
