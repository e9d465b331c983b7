"""The account of a visit in the words of FHIR Account: who owes how much, who covers it, and whether to request more.

Source: docs/visit-accounts.md, Ward view; FHIR R5, Account: balance (aggregate, term, estimate), coverage, guarantor.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from billing.core.clock import business_date
from billing.core.ids import PatientId
from billing.core.money import NOTHING, Dong, Shares
from billing.invoices.domain.correction import CorrectionKind, limit_reductions
from billing.visit_accounts.domain.account import AccountState, VisitAccount
from billing.visit_accounts.domain.deposit_request import DepositProposal
from billing.visit_accounts.domain.final_bill import BillAmounts, bill_amounts
from billing.visit_accounts.domain.guarantee import BearersOfShare, DebtState, GuaranteeState


class AccountStatus(StrEnum):
    """FHIR account-status, those that a visit has."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class Aggregate(StrEnum):
    """FHIR account-aggregate: whose part of the balance it is."""

    PATIENT = "patient"
    INSURANCE = "insurance"
    TOTAL = "total"


class Term(StrEnum):
    """FHIR account-balance-term: the age of a balance; `30` is outstanding over 30 days."""

    CURRENT = "current"
    OVER_30 = "30"
    OVER_60 = "60"
    OVER_90 = "90"
    OVER_120 = "120"


class CoverageKind(StrEnum):
    """Who bears a part of the cost: the statutory insurer, another fund, the private insurer, a guarantor."""

    INSURER = "insurer"
    OTHER = "other"
    PRIVATE = "private"
    GUARANTEE = "guarantee"


class GuarantorKind(StrEnum):
    """Who is liable for the part of the patient."""

    PATIENT = "patient"
    GUARDIAN = "guardian"
    DEBT = "debt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What is owed, in đồng; a negative amount is to be returned. `estimate`: the visit is open, so it may change."""

    aggregate: Aggregate
    term: Term
    estimate: bool
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """A payer, in đồng; `priority` 1 pays first. `id`, `payer` and `state` are those of a guarantee."""

    priority: int
    kind: CoverageKind
    amount: Dong
    id: UUID | None = None
    payer: str = ""
    state: GuaranteeState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantor:
    """A party that is liable; `id` is that of the patient, or of the debt that names who is liable."""

    kind: GuarantorKind
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountBalance:
    """The account of a visit with the money that is there for it, in đồng, calculated at `calculated_at`.

    `billed`, `paid` and `billed_sources` (guarantees, exemptions and debts that former final bills counted) are those
    of the invoices of the visit. `requested` is the rest of open deposit requests, `credit` is of the patient.
    `paid_by_payers` is what was paid or written off of the guarantees.
    """

    account: VisitAccount
    billed: Shares
    billed_sources: frozenset[UUID]
    paid: Dong
    deposit: Dong
    credit: Dong
    paid_by_payers: Dong
    requested: Dong
    threshold: Dong
    bearers: BearersOfShare
    guardian_id: PatientId | None
    calculated_at: datetime

    @property
    def id(self) -> UUID:
        return self.account.visit_id

    @property
    def status(self) -> AccountStatus:
        return AccountStatus.ACTIVE if self._is_open else AccountStatus.INACTIVE

    @property
    def amounts(self) -> BillAmounts:
        """The bill of the visit as of now."""
        return bill_amounts(
            self.account.shares if self._is_open else self.billed,
            self.bearers.reductions(self._today, self.billed_sources),
            paid=self.paid,
            deposit=self.deposit,
            credit=self.credit,
        )

    @property
    def balance(self) -> tuple[Balance, ...]:
        """The balance of the patient, of all that insure or guarantee, and of both."""
        amounts = self.amounts
        shares = amounts.shares
        guaranteed = amounts.guaranteed - self.paid_by_payers
        insurance = shares.insurer + shares.other + shares.private + guaranteed
        by_aggregate = {
            Aggregate.PATIENT: amounts.rest,
            Aggregate.INSURANCE: insurance,
            Aggregate.TOTAL: amounts.rest + insurance,
        }
        estimate = self._is_open
        return tuple(
            Balance(aggregate=aggregate, term=self.term, estimate=estimate, amount=amount)
            for aggregate, amount in by_aggregate.items()
        )

    @property
    def term(self) -> Term:
        """The age of the balance: current while the visit is open, then by the days since its final bill."""
        ended_at = self.account.ended_at
        days = 0 if ended_at is None else (self._today - business_date(ended_at)).days
        older = [term for term in reversed(Term) if term is not Term.CURRENT and days > int(term)]
        return older[0] if older else Term.CURRENT

    @property
    def coverage(self) -> tuple[Coverage, ...]:
        """Who bears a part of the cost, the first payer first; a guarantee that is only requested bears nothing."""
        shares = self.amounts.shares
        payers = [
            Coverage(priority=0, kind=kind, amount=amount)
            for kind, amount in (
                (CoverageKind.INSURER, shares.insurer),
                (CoverageKind.OTHER, shares.other),
                (CoverageKind.PRIVATE, shares.private),
            )
            if amount
        ]
        limited = limit_reductions(shares.patient, self.bearers.reductions(self._today, self.billed_sources))
        borne = {one.id: one.amount for one in limited if one.kind is CorrectionKind.GUARANTEE}
        payers += [
            Coverage(
                priority=0,
                kind=CoverageKind.GUARANTEE,
                amount=borne[one.id],
                id=one.id,
                payer=one.payer,
                state=one.state,
            )
            for one in sorted(self.bearers.guarantees, key=lambda one: one.position)
            if one.state in (GuaranteeState.REQUESTED, GuaranteeState.CONFIRMED)
        ]
        return tuple(replace(one, priority=place) for place, one in enumerate(payers, start=1))

    @property
    def guarantor(self) -> tuple[Guarantor, ...]:
        """The patient, the guardian, and who is liable for an agreed debt."""
        found = [Guarantor(kind=GuarantorKind.PATIENT, id=self.account.patient_id)]
        if self.guardian_id is not None:
            found.append(Guarantor(kind=GuarantorKind.GUARDIAN, id=self.guardian_id))
        agreed = [debt for debt in self.bearers.debts if debt.state is DebtState.AGREED]
        return (*found, *(Guarantor(kind=GuarantorKind.DEBT, id=debt.id) for debt in agreed))

    @property
    def proposal(self) -> DepositProposal:
        """The advance to request now. An inpatient's deposit is brought to the threshold of the facility."""
        amounts = self.amounts
        return DepositProposal(
            cost_to_date=amounts.shares.total,
            patient_share=amounts.shares.patient,
            held=amounts.deposit,
            paid=Dong(amounts.paid + amounts.credit),
            requested=self.requested,
            borne_by_others=Dong(amounts.guaranteed + amounts.exempted + amounts.written_off),
            threshold=self.threshold if self._is_open and self.account.is_inpatient else NOTHING,
        )

    @property
    def deposit_left(self) -> int:
        """What the cost to date leaves of the patient's money; negative where the cost has passed it."""
        return -self.amounts.rest

    @property
    def is_below_threshold(self) -> bool:
        """Whether less than the threshold is left of the deposit of an inpatient."""
        return self._is_open and self.account.is_inpatient and self.deposit_left < self.threshold

    @property
    def _is_open(self) -> bool:
        return self.account.state is AccountState.OPEN

    @property
    def _today(self) -> date:
        return business_date(self.calculated_at)
