"""Use cases of checkout and the steps they share. A use case opens the transaction; a step receives one."""
