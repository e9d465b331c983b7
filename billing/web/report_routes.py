"""The routes of reports with the right that each needs."""

from billing.organizations.domain.rights import Right
from billing.web.api.reports import get_report, get_report_file, get_reports
from billing.web.operation import api_route

REPORT_API = (
    api_route("GET", "/reports", get_reports, Right.READ_BOOKS),
    api_route("GET", "/reports/{name}", get_report, Right.READ_BOOKS),
    api_route("GET", "/reports/{name}/file", get_report_file, Right.READ_BOOKS),
)
"""Routes of the listings of the books."""
