"""The pricing authority: whether amounts of the HIS (`his`) or ours (`vienphi`) are collected, and the differences.

Under `vienphi` unit prices come from the list in force, and a service without one is refused by name. Under `his` the
amounts of the hospital's system are collected unchanged, nothing that it priced is refused, and every difference to
ours is listed. Lists hold services; a drug or supply is charged at the price of its lot unless the list has its code.
Source: docs/design.md §6, Pricing authority; rule B-053 (prices by list with effective dates), B-051 (insurance and
hospital price of one line). No text we have states whether the day of the order or of admission selects the list:
`PriceDay`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

from billing.core.clock import business_date
from billing.core.errors import InvalidValue, NotSupported
from billing.core.ids import InvoiceId, VisitId
from billing.core.money import HUNDRED, ZERO, round_2dp, total
from billing.coverage.domain.benefit_level import Entitlement, find_entitlements
from billing.coverage.domain.compare_stated import is_off
from billing.coverage.domain.line_price import why_not_covered
from billing.coverage.domain.parameters import Parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.price import ROUNDING_RULE, price, rounding_reasons, with_private_share
from billing.coverage.domain.price_result import AppliedRule, PricedLine, PricedVisit
from billing.coverage.domain.refusals import PriceNotInForce
from billing.tariffs.domain.tariff import ListedPrice, TariffId
from billing.visits.domain.visit import ChargeItem, PayerClass, StatedAmounts, Table, Visit

RULE = "B-053"


class PricingAuthority(StrEnum):
    """The system whose amounts a facility collects."""

    HIS = "his"
    VIENPHI = "vienphi"


class PriceDay(StrEnum):
    """The day that selects the price list of a charge: that of its order [NGAY_YL] or of admission [NGAY_VAO]."""

    ORDERED = "ordered"
    ADMITTED = "admitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class FacilityPricing:
    """A facility's setting from a day on; applies to visits admitted since. `vendor` is the maker of the HIS."""

    authority: PricingAuthority
    price_day: PriceDay
    vendor: str = ""


@dataclass(frozen=True, slots=True)
class ListInForce:
    """The list in force on a day, with the prices of the codes of a visit."""

    id: TariffId
    valid_from: date
    prices: Mapping[str, ListedPrice]


@dataclass(frozen=True, slots=True)
class VisitPricing:
    """The pricing inputs of one visit. Without a setting our rules apply to the supplied prices, without a list."""

    setting: FacilityPricing | None = None
    lists: Mapping[date, ListInForce] = field(default_factory=dict)


AS_SUBMITTED = VisitPricing()


class DifferenceField(StrEnum):
    """The fields of the data standard in which the HIS and vienphi may differ."""

    HOSPITAL_PRICE = "DON_GIA_BV"
    INSURANCE_PRICE = "DON_GIA_BH"
    DRUG_PRICE = "DON_GIA"
    HOSPITAL_AMOUNT = "THANH_TIEN_BV"
    INSURED_AMOUNT = "THANH_TIEN_BH"
    OTHER_FUNDS = "T_NGUONKHAC"
    SELF_PAY = "T_BNTT"
    COPAY = "T_BNCCT"
    FUND = "T_BHTT"


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceFilter:
    """Price differences by invoice, visit, field and vendor of the HIS; None filters nothing."""

    invoice_id: InvoiceId | None = None
    visit_id: VisitId | None = None
    field: str | None = None
    vendor: str | None = None


ALL_DIFFERENCES = DifferenceFilter()


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceDifference:
    """One amount of one line as the HIS states it and as vienphi computes it; None where there is none."""

    item: ChargeItem
    field: DifferenceField
    his_value: Decimal | None
    vienphi_value: Decimal | None
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedPrice:
    """A visit as it is collected. `visit` is the input to recompute it; `computed` is None where vienphi refuses it."""

    visit: Visit
    priced: PricedVisit
    computed: PricedVisit | None
    differences: tuple[PriceDifference, ...] = ()


def price_for_collection(
    visit: Visit, pricing: VisitPricing, *, parameters: Parameters, policy: Policy
) -> CollectedPrice:
    """Price a visit by the pricing authority of its facility.

    Raises PriceNotInForce under `vienphi`, and the errors of `price`; under `his` only where the hospital's system has
    not priced every line.
    """
    if pricing.setting is None:
        priced = price(visit, parameters=parameters, policy=policy)
        return CollectedPrice(visit=visit, priced=priced, computed=priced)
    if pricing.setting.authority is PricingAuthority.VIENPHI:
        return _collect_by_list(visit, pricing, pricing.setting, parameters, policy)
    return _collect_by_his(visit, pricing, pricing.setting, parameters, policy)


def price_again(
    visit: Visit, authority: PricingAuthority | None, *, parameters: Parameters, policy: Policy
) -> PricedVisit:
    """Recompute the amounts of `price_for_collection` from a frozen visit. Raises the errors of `price`."""
    if authority is PricingAuthority.HIS:
        return _collect_stated(visit, parameters=parameters, policy=policy)
    return price(visit, parameters=parameters, policy=policy)


def with_list(visit: Visit, prices: Mapping[str, ListedPrice], *, parameters: Parameters, policy: Policy) -> Visit:
    """The visit as other prices would have charged it; items that they do not name are unchanged."""
    entitlements = find_entitlements(visit, list(visit.items), parameters=parameters, policy=policy)
    items = []
    for item, entitlement in zip(visit.items, entitlements, strict=True):
        unit = _listed_prices(item, prices.get(item.code), entitlement)
        items.append(item if unit is None else replace(item, hospital_price=unit[0], insurance_price=unit[1]))
    return replace(visit, items=tuple(items))


def with_list_prices(visit: Visit, pricing: VisitPricing, *, parameters: Parameters, policy: Policy) -> Visit:
    """The visit at the collected unit prices: under `vienphi` those in force, otherwise the supplied ones."""
    if pricing.setting is None or pricing.setting.authority is PricingAuthority.HIS:
        return visit
    return _reprice(visit, pricing, pricing.setting, parameters, policy)[0]


def price_day(visit: Visit, item: ChargeItem, setting: FacilityPricing) -> date:
    """The day whose list prices an item; an item without a time of order has the day of admission."""
    ordered = item.ordered_at if setting.price_day is PriceDay.ORDERED else None
    return business_date(ordered or visit.admitted_at)


def _collect_by_list(
    visit: Visit, pricing: VisitPricing, setting: FacilityPricing, parameters: Parameters, policy: Policy
) -> CollectedPrice:
    repriced, missing, reasons = _reprice(visit, pricing, setting, parameters, policy)
    if missing:
        raise missing[0]
    priced = price(repriced, parameters=parameters, policy=policy)
    lines = tuple(
        replace(line, reasons=(reasons[line.item.key], *line.reasons)) if line.item.key in reasons else line
        for line in priced.lines
    )
    priced = replace(priced, lines=lines)
    return CollectedPrice(visit=repriced, priced=priced, computed=priced)


def _collect_by_his(
    visit: Visit, pricing: VisitPricing, setting: FacilityPricing, parameters: Parameters, policy: Policy
) -> CollectedPrice:
    collected = _collect_stated(visit, parameters=parameters, policy=policy)
    repriced, missing, _ = _reprice(visit, pricing, setting, parameters, policy)
    unit_prices = _unit_price_differences(visit, repriced, missing)
    try:
        computed = price(repriced, parameters=parameters, policy=policy)
    except (NotSupported, InvalidValue) as refusal:
        rules = (getattr(refusal, "rule", RULE),)
        unknown = (
            PriceDifference(item=line.item, field=name, his_value=stated, vienphi_value=None, rules=rules)
            for line in collected.lines
            for name, stated in (
                (DifferenceField.SELF_PAY, line.self_pay),
                (DifferenceField.COPAY, line.copay),
                (DifferenceField.FUND, line.fund),
            )
        )
        return CollectedPrice(visit=visit, priced=collected, computed=None, differences=(*unit_prices, *unknown))
    amounts = _amount_differences(collected, computed)
    return CollectedPrice(visit=visit, priced=collected, computed=computed, differences=(*unit_prices, *amounts))


def _reprice(
    visit: Visit, pricing: VisitPricing, setting: FacilityPricing, parameters: Parameters, policy: Policy
) -> tuple[Visit, list[PriceNotInForce], dict[tuple[Table, int], AppliedRule]]:
    """The visit at the prices in force, the items without one (unchanged), and the applied rule of each price."""
    items: list[ChargeItem] = []
    missing: list[PriceNotInForce] = []
    reasons: dict[tuple[Table, int], AppliedRule] = {}
    entitlements = find_entitlements(visit, list(visit.items), parameters=parameters, policy=policy)
    for item, entitlement in zip(visit.items, entitlements, strict=True):
        day = price_day(visit, item, setting)
        found = pricing.lists.get(day)
        listed = None if found is None else found.prices.get(item.code)
        prices = _listed_prices(item, listed, entitlement)
        if prices is not None and found is not None:
            items.append(replace(item, hospital_price=prices[0], insurance_price=prices[1]))
            operands = {"day": found.valid_from.isoformat(), "price": format(prices[0], "f")}
            reasons[item.key] = AppliedRule(RULE, operands)
        else:
            items.append(item)
            is_by_lot = item.table is Table.DRUGS or item.is_supply
            if item.payer_class is not PayerClass.FREE and (listed is not None or not is_by_lot):
                missing.append(PriceNotInForce(item, day))
    return replace(visit, items=tuple(items)), missing, reasons


def _listed_prices(
    item: ChargeItem, listed: ListedPrice | None, entitlement: Entitlement
) -> tuple[Decimal, Decimal] | None:
    """Hospital price and insurance price of a line; None where the list has no price of the kind, or the item is free.

    The insurance price applies to items in scope of the card that counts at their time (B-014 … B-016), the hospital
    fee to all others. No field of the standard states that a patient chose the service on demand: the payer class
    does, or a supplied price that equals the on-demand price.
    """
    if listed is None or item.payer_class is PayerClass.FREE:
        return None
    is_insured = why_not_covered(item, entitlement) is None
    usual = listed.insured if is_insured else listed.fee
    if item.table is Table.DRUGS:
        return None if usual is None else (usual, usual)
    has_on_demand_price = item.payer_class is PayerClass.INSURANCE and item.hospital_price == listed.on_demand != usual
    is_on_demand = item.payer_class is PayerClass.ON_DEMAND or has_on_demand_price
    hospital = listed.on_demand if is_on_demand else usual
    insurance = listed.insured if is_insured else item.insurance_price
    return None if hospital is None or insurance is None else (hospital, insurance)


def _collect_stated(visit: Visit, *, parameters: Parameters, policy: Policy) -> PricedVisit:
    """The amounts of the hospital's system; our rules at the supplied prices for lines without stated amounts."""
    reason = AppliedRule(RULE, {}, "by_his")
    stated = {item.key: line for item in visit.items if (line := _stated_line(item, reason)) is not None}
    try:
        # The private insurer share is computed from the collected amounts, not from ours.
        by_rules = price(replace(visit, private_insurance=None), parameters=parameters, policy=policy)
    except (NotSupported, InvalidValue):
        if not visit.items or len(stated) < len(visit.items):
            raise
        salary = parameters.base_salary_on(business_date(visit.admitted_at))
        items = sorted(visit.items, key=lambda item: (item.number, item.table.value))
        collected = PricedVisit(
            base_salary=salary.amount,
            threshold=parameters.small_visit_threshold(salary),
            route_factor=ZERO,
            lines=tuple(stated[item.key] for item in items),
            reasons=(reason,),
        )
        return with_private_share(collected, visit)
    lines = tuple(stated.get(line.item.key, line) for line in by_rules.lines)
    others = (each for each in by_rules.reasons if each.rule != ROUNDING_RULE)
    collected = replace(by_rules, lines=lines, reasons=(*others, *rounding_reasons(lines)))
    return with_private_share(collected, visit)


def _stated_line(item: ChargeItem, reason: AppliedRule) -> PricedLine | None:
    """A line as the hospital's system shared it; None unless it states all shares. The parts sum to the whole."""
    if item.stated is None or not _is_whole(item.stated):
        return None
    amounts = item.stated
    parts = [round_2dp(part or ZERO) for part in (amounts.self_pay, amounts.copay, amounts.fund, amounts.other_funds)]
    self_pay, copay, fund, other_funds = parts
    insured = amounts.insured_amount
    return PricedLine(
        item=item,
        hospital_amount=total(parts),
        insured_amount=total((copay, fund)) if insured is None else round_2dp(insured),
        level=ZERO if amounts.level is None else round_2dp(amounts.level),
        other_funds=other_funds,
        self_pay=self_pay,
        copay=copay,
        fund=fund,
        reasons=(reason,),
    )


def _is_whole(amounts: StatedAmounts) -> bool:
    needed = (amounts.self_pay, amounts.copay, amounts.fund)
    known = [
        amount for amount in (*needed, amounts.other_funds, amounts.insured_amount, amounts.level) if amount is not None
    ]
    return None not in needed and min(known) >= 0 and (amounts.level is None or amounts.level <= HUNDRED)


def _unit_price_differences(visit: Visit, repriced: Visit, missing: list[PriceNotInForce]) -> Iterator[PriceDifference]:
    without = {each.item.key for each in missing}
    for submitted, listed in zip(visit.items, repriced.items, strict=True):
        is_drug = submitted.table is Table.DRUGS
        hospital_price = DifferenceField.DRUG_PRICE if is_drug else DifferenceField.HOSPITAL_PRICE
        if submitted.key in without:
            yield PriceDifference(
                item=submitted,
                field=hospital_price,
                his_value=submitted.hospital_price,
                vienphi_value=None,
                rules=(RULE,),
            )
            continue
        prices = [(hospital_price, submitted.hospital_price, listed.hospital_price)]
        if not is_drug:
            prices.append((DifferenceField.INSURANCE_PRICE, submitted.insurance_price, listed.insurance_price))
        for name, stated, found in prices:
            if stated != found:
                yield PriceDifference(item=submitted, field=name, his_value=stated, vienphi_value=found, rules=(RULE,))


def _amount_differences(collected: PricedVisit, computed: PricedVisit) -> Iterator[PriceDifference]:
    for line, own in zip(collected.lines, computed.lines, strict=True):
        rules = tuple(dict.fromkeys(reason.rule for reason in (*own.reasons, *computed.reasons)))
        for name, stated, found in (
            (DifferenceField.HOSPITAL_AMOUNT, line.hospital_amount, own.hospital_amount),
            (DifferenceField.INSURED_AMOUNT, line.insured_amount, own.insured_amount),
            (DifferenceField.OTHER_FUNDS, line.other_funds, own.other_funds),
            (DifferenceField.SELF_PAY, line.self_pay, own.self_pay),
            (DifferenceField.COPAY, line.copay, own.copay),
            (DifferenceField.FUND, line.fund, own.fund),
        ):
            if is_off(stated, found):
                yield PriceDifference(item=line.item, field=name, his_value=stated, vienphi_value=found, rules=rules)
