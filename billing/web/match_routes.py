"""The routes of matching with the right that each needs."""

from billing.organizations.domain.rights import Right
from billing.web.api.match_settings import (
    get_match_rule_sets,
    get_provider_contracts,
    post_match_rule_set,
    post_provider_contract,
)
from billing.web.api.matches import (
    get_line_proposals,
    get_match,
    get_match_run,
    get_match_runs,
    get_matches,
    get_statement_lines,
    post_match,
    post_match_revert,
    post_match_run,
)
from billing.web.operation import api_route

MATCH_API = (
    api_route("POST", "/match-runs", post_match_run, Right.RECONCILE),
    api_route("GET", "/match-runs", get_match_runs, Right.READ_BOOKS),
    api_route("GET", "/match-runs/{id}", get_match_run, Right.READ_BOOKS),
    api_route("GET", "/matches", get_matches, Right.READ_BOOKS),
    api_route("GET", "/matches/{id}", get_match, Right.READ_BOOKS),
    api_route("POST", "/matches", post_match, Right.RECONCILE),
    api_route("POST", "/matches/{id}/revert", post_match_revert, Right.RECONCILE),
    api_route("GET", "/provider-contracts", get_provider_contracts, Right.READ_BOOKS),
    api_route("POST", "/provider-contracts", post_provider_contract, Right.SET_MATCHING),
    api_route("GET", "/match-rule-sets", get_match_rule_sets, Right.READ_BOOKS),
    api_route("POST", "/match-rule-sets", post_match_rule_set, Right.SET_MATCHING),
    api_route("GET", "/statement-lines", get_statement_lines, Right.READ_BOOKS),
    api_route("GET", "/statement-lines/{id}/proposals", get_line_proposals, Right.RECONCILE),
)
"""Routes of matching."""
