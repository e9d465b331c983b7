"""Bank statements: files of banks → statements and lines of the domain. Computes no ratios, writes nothing."""
