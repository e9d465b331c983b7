"""Use cases of visit accounts and the steps they share. A use case opens the transaction, a step takes one."""
