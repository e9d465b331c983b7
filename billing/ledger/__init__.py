"""The double-entry ledger: accounts, entries, balances, closing of days, seals and their verification."""
