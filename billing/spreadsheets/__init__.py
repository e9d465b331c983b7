"""CSV and XLSX files as rows of exact values, within limits. Does not interpret the rows."""
