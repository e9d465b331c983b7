"""Use cases of claims and the steps they share. A use case opens the transaction, a step takes one."""
