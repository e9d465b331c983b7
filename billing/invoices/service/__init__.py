"""Use cases of invoices and the steps they share. A use case opens the transaction, a step takes one."""
