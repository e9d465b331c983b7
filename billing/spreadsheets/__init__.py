"""CSV and XLSX files as rows of exact values, within limits. Knows no document."""
