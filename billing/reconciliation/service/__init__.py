"""Use cases of reconciliation and the steps they share. A use case opens the transaction, a step takes one."""
