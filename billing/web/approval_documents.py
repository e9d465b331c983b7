"""Proposals and their decisions as API documents: by themselves, and inside the document of their subject."""

from typing import Annotated, Any

from pydantic import with_config
from typing_extensions import TypedDict

from billing.organizations.service.approvals import Approval, ApprovalKind, ApprovalState
from billing.web.responses import isoformat
from billing.web.schemas import EXACTLY, enum_schema


@with_config(EXACTLY)
class DecisionDocument(TypedDict):
    """The approval of the object that contains it: persons by name. It is decided at /v1/approvals/{id}."""

    id: str
    state: Annotated[str, enum_schema(ApprovalState)]
    proposed_by: str
    proposed_at: str
    decided_by: str | None
    decided_at: str | None


@with_config(EXACTLY)
class ApprovalDocument(TypedDict):
    """A proposal and its decision. `payload` is what is proposed, by kind; `subject_id` is the object to change."""

    id: str
    kind: Annotated[str, enum_schema(ApprovalKind)]
    subject_id: str
    payload: dict[str, Any]
    state: Annotated[str, enum_schema(ApprovalState)]
    proposed_by: str
    proposed_at: str
    decided_by: str | None
    decided_at: str | None


def approval_document(approval: Approval) -> ApprovalDocument:
    """A proposal by itself."""
    return {
        "id": str(approval.id),
        "kind": approval.kind,
        "subject_id": str(approval.subject_id),
        "payload": dict(approval.payload),
        "state": approval.state,
        "proposed_by": approval.proposer,
        "proposed_at": approval.proposed_at.isoformat(),
        "decided_by": approval.decider,
        "decided_at": isoformat(approval.decided_at),
    }


def decision_document(approval: Approval) -> DecisionDocument:
    """A proposal inside the document of its subject."""
    return {
        "id": str(approval.id),
        "state": approval.state,
        "proposed_by": approval.proposer,
        "proposed_at": approval.proposed_at.isoformat(),
        "decided_by": approval.decider,
        "decided_at": isoformat(approval.decided_at),
    }
