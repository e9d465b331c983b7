"""The table of rights: complete, as documented, and within the rules for auditors, administrators and approvals."""

import pytest

from billing.core.actor import Role
from billing.organizations.domain.approval import ApprovalKind, kinds_of, right_of
from billing.organizations.domain.rights import DESCRIPTIONS, RIGHTS, Right, roles_with
from tests.organizations.rights_docs import PATH, write_page

READING = {right for right in Right if right.startswith("read_")}
ADMINISTRATION = {
    Right.SET_UP_DESKS,
    Right.RETRY_CALLBACKS,
    Right.CHANGE_ACCOUNTS,
    Right.ERASE_PERSONAL_DATA,
    Right.REVOKE_KEYS,
    Right.APPROVE,
    Right.APPROVE_ACCOUNT_CHANGE,
    Right.USE_SCREENS,
    Right.CHANGE_SIGN_IN,
}


def test_page_of_rights_is_the_table() -> None:
    assert PATH.read_text("utf-8") == write_page(), "run: python -m tests.organizations.rights_docs"


def test_every_right_has_a_role_and_a_description() -> None:
    assert set(RIGHTS) == set(DESCRIPTIONS) == set(Right)
    assert all(RIGHTS.values())


def test_auditor_reads_all_and_changes_nothing() -> None:
    held = {right for right in Right if Role.AUDITOR in roles_with(right)}

    assert held == READING | {Right.QUOTE, Right.USE_SCREENS}


def test_administrator_handles_no_money() -> None:
    held = {right for right in Right if Role.ADMINISTRATOR in roles_with(right)}

    assert held - READING == ADMINISTRATION
    assert Right.READ_PAYMENTS not in held


@pytest.mark.parametrize(
    ("right", "role"),
    [
        (Right.COLLECT, Role.CASHIER),
        (Right.RUN_SHIFT, Role.CASHIER),
        (Right.VOID_RECEIPT, Role.HEAD_CASHIER),
        (Right.MOVE_RECEIPT, Role.HEAD_CASHIER),
        (Right.CLOSE_SHIFT, Role.HEAD_CASHIER),
        (Right.OVERRIDE_DISCHARGE, Role.HEAD_CASHIER),
        (Right.CONFIRM_MANUALLY, Role.HEAD_CASHIER),
        (Right.REOPEN_VISIT, Role.HEAD_CASHIER),
        (Right.ACCEPT_HAND_OVER, Role.TREASURER),
        (Right.DEPOSIT_TO_BANK, Role.TREASURER),
        (Right.RECONCILE, Role.FINANCE),
        (Right.REFUND, Role.FINANCE),
        (Right.WRITE_OFF, Role.FINANCE),
        (Right.SET_CHART, Role.FINANCE),
        (Right.SEND_VISITS, Role.INTEGRATOR),
        (Right.CHANGE_ACCOUNTS, Role.ADMINISTRATOR),
    ],
)
def test_right_belongs_to_one_role(right: Right, role: Role) -> None:
    assert roles_with(right) == {role}


def test_each_kind_of_proposals_has_its_right() -> None:
    kinds = {right_of(kind) for kind in ApprovalKind}
    deciders = frozenset[Role]().union(*(roles_with(right) for right in kinds))

    assert deciders == roles_with(Right.APPROVE)
    assert kinds_of(frozenset({Role.AUDITOR})) == set(ApprovalKind)
    assert kinds_of(frozenset({Role.ADMINISTRATOR})) == {ApprovalKind.ACCOUNT_CHANGE}
    assert kinds_of(frozenset({Role.CASHIER})) == frozenset()
