"""Worked cases end to end: bytes in, the object `vienphi quote` prints out."""

import json
from pathlib import Path

import pytest

from billing.coverage.domain.explain import all_rules
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import CardChoice, Policy
from billing.coverage.service.quote_file import quote_bare_tables, quote_file, quote_json
from tests.visits.formats.xml130.claim_files import (
    block,
    claim_file,
    drug,
    hoso,
    service,
    without_totals,
    xml1,
    xml2,
    xml3,
)

CASES = Path(__file__).parents[2] / "cases" / "bhyt"
CLAIMS = Path(__file__).parents[2] / "cases" / "xml130"


def _quote_content(content, *, file="case.json", policy=None):
    return quote_file(content, file=file, parameters=load_parameters(), policy=policy or Policy())


def _case(path):
    return json.loads(path.read_text("utf-8"))


def _differences(quoted, expected):
    """Every asserted field that differs; an absent field is not asserted."""
    for ours, theirs in zip(quoted, expected, strict=True):
        for key, value in theirs.items():
            if key == "lines":
                for our_line, line in zip(ours["lines"], value, strict=True):
                    yield from (
                        (key, name, our_line[name], line[name]) for name in line if our_line[name] != line[name]
                    )
            elif key == "totals":
                yield from ((name, ours[key][name], value[name]) for name in value if ours[key][name] != value[name])
            elif ours.get(key) != value:
                yield key, ours.get(key), value


def _cases():
    return sorted(CASES.glob("*.json"))


@pytest.mark.parametrize("path", _cases(), ids=lambda path: path.stem)
def test_every_case_is_priced_to_the_hundredth(path):
    quote = quote_json(_quote_content(path.read_bytes()))

    assert list(_differences(quote["visits"], _case(path)["expected"]["visits"])) == []
    assert quote["findings"] == []


def _further_cases():
    lines = (CASES.parent / "worked-by-hand.jsonl").read_text("utf-8").splitlines()
    return {(case := json.loads(line))["title"]: case for line in lines}


@pytest.mark.parametrize("title", list(_further_cases()))
def test_further_cases_worked_by_hand_are_priced_to_the_hundredth(title):
    case = _further_cases()[title]
    quote = quote_json(_quote_content(json.dumps(case).encode()))

    assert list(_differences(quote["visits"], case["expected"]["visits"])) == []
    assert quote["findings"] == []


def test_all_cases_are_there():
    assert len(_cases()) == 43


def test_case_a_rule_names_as_proof_shows_that_rule():
    for rule in all_rules().values():
        for proof in (name for name in rule.proof if name.startswith("BHYT-")):
            quote = _quote_content((CASES / f"{proof.lower()}.json").read_bytes())
            reasons = [
                reason
                for quoted in quote.visits
                for reason in (*quoted.priced.reasons, *(why for line in quoted.priced.lines for why in line.reasons))
            ]

            assert rule.id in {reason.rule for reason in reasons}, (rule.id, proof)


def test_quote_has_exactly_two_keys_and_every_total():
    quote = quote_json(_quote_content((CASES / "bhyt-018.json").read_bytes()))

    assert list(quote) == ["visits", "findings"]
    (visit,) = quote["visits"]
    assert visit["MA_LK"] == "LK20261102"
    assert [type(visit[key]) for key in ("base_salary", "route_factor_pct", "patient_pays")] == [int, int, int]
    assert set(visit["totals"]) == {
        "T_TONGCHI_BV",
        "T_TONGCHI_BH",
        "T_BNTT",
        "T_BNCCT",
        "T_BHTT",
        "T_NGUONKHAC",
        "T_THUOC",
        "T_VTYT",
    }
    assert visit["lines"][1]["table"] == "XML2"


def test_finding_has_the_keys_of_the_standard():
    case = _case(CASES / "bhyt-035.json")
    del case["input"]["visits"][0]["route"]

    assert quote_json(_quote_content(json.dumps(case).encode())) == {
        "visits": [],
        "findings": [
            {
                "code": "not-supported",
                "file": "case.json",
                "hoso": 1,
                "MA_LK": "LK20201110",
                "table": "",
                "STT": None,
                "field": "route",
                "found": "3",
                "expected": "B-040",
            }
        ],
    }


def test_one_refused_visit_does_not_stop_the_others():
    case = _case(CASES / "bhyt-071.json")
    case["input"]["visits"][0]["MA_DOITUONG_KCB"] = "3.2"

    quote = quote_json(_quote_content(json.dumps(case).encode()))

    assert [visit["MA_LK"] for visit in quote["visits"]] == ["LK-B"]
    assert [(finding["hoso"], finding["MA_LK"]) for finding in quote["findings"]] == [(1, "LK-A")]


def test_copayment_of_one_visit_counts_for_the_next_and_an_off_line_one_does_not():
    # 1,000,000 each at 80 %: 15,000,000 → 15,200,000 > 15,180,000; off line in between: nothing; then exempt.
    case = _case(CASES / "bhyt-065.json")
    first = case["input"]["visits"][0] | {"NGAY_VAO": "202703010800", "NGAY_RA": "202703011600"}
    case["input"]["visits"] = [
        first | {"MA_LK": "A", "MA_DOITUONG_KCB": "1.14"},
        first | {"MA_LK": "B"},
        first | {"MA_LK": "C"},
    ]
    case["input"] |= {"five_year_date": "2020-01-01", "copay_history": [{"date": "2027-01-05", "amount": "15000000"}]}

    visits = quote_json(_quote_content(json.dumps(case).encode()))["visits"]

    assert [visit["totals"]["T_BNCCT"] for visit in visits] == ["600000.00", "200000.00", "0.00"]
    after = [visit["copay_accumulated_after"] for visit in visits]
    assert after == ["15000000.00", "15200000.00", "15200000.00"]


def test_earlier_visit_of_a_file_counts_for_the_next_though_it_ended_later():
    # 15,180,000 is the threshold; 15,100,000 and the 200,000 of the stay are above it.
    case = _case(CASES / "bhyt-012.json")
    case["input"]["cards"][0]["code"] = "DN4791234567890"
    visit = case["input"]["visits"][0]
    stay = visit | {"MA_LK": "STAY", "MA_LOAI_KCB": "03", "NGAY_VAO": "202611010800", "NGAY_RA": "202611201600"}
    case["input"] |= {"visits": [stay, visit], "five_year_date": "2020-01-01"}
    case["input"]["copay_history"] = [{"date": "2026-08-01", "amount": "15100000"}]

    quoted = quote_json(_quote_content(json.dumps(case).encode()))

    assert [visit["patient_pays"] for visit in quoted["visits"]] == [200_000, 0]


@pytest.mark.parametrize("funds", [None, {"VTNN": "0"}, {"NSNN": "1"}])
def test_case_of_arv_drugs_replaces_their_copayment_only(funds):
    case = _case(CASES / "bhyt-018.json")
    case["input"]["cards"][0]["code"] = "DN4791234567890"
    case["input"]["policy"] = {"other_source_mode": "copay_replacement"}
    if funds is not None:
        case["input"]["visits"][0]["lines"][1]["NGUONKHAC"] = funds

    lines = quote_json(_quote_content(json.dumps(case).encode()))["visits"][0]["lines"]

    assert [(line["T_BNCCT"], line["T_NGUONKHAC"]) for line in lines] == [("10120.00", "0.00"), ("0.00", "100000.00")]


HIGHEST_FIRST = [("HN2", "2026-01-01"), ("DN4", "2026-01-01")]


@pytest.mark.parametrize("cards", [HIGHEST_FIRST, HIGHEST_FIRST[::-1]])
@pytest.mark.parametrize(
    ("in_file", "of_facility", "last"),
    [
        ({}, CardChoice.HIGHEST, False),
        ({}, CardChoice.LAST, True),
        ({"card_choice": "highest"}, CardChoice.LAST, False),
        ({"card_choice": "last"}, CardChoice.HIGHEST, True),
    ],
)
def test_case_with_two_cards_takes_the_highest_unless_the_policy_is_last(cards, in_file, of_facility, last):
    case = _case(CASES / "bhyt-012.json")
    case["input"]["cards"] = [{"code": f"{group}791234567890", "valid_from": day} for group, day in cards]
    case["input"]["policy"] = in_file

    quoted = quote_json(_quote_content(json.dumps(case).encode(), policy=Policy(card_choice=of_facility)))

    expected = {"HN2": "100", "DN4": "80"}[cards[-1][0] if last else "HN2"]
    assert quoted["visits"][0]["lines"][0]["MUC_HUONG"] == expected


def test_card_choice_that_is_none_is_named():
    case = _case(CASES / "bhyt-012.json")
    case["input"]["policy"] = {"card_choice": "best"}

    quoted = quote_json(_quote_content(json.dumps(case).encode()))

    assert quoted["visits"] == []
    assert [finding["field"] for finding in quoted["findings"]] == ["input.policy.card_choice"]


@pytest.mark.parametrize("groups", [("HN2", "DN4"), ("DN4", "HN2")])
@pytest.mark.parametrize("choice", list(CardChoice))
def test_claim_file_with_two_cards_takes_the_highest_unless_the_policy_is_last(groups, choice):
    level = {"HN2": 100, "DN4": 80}[groups[-1] if choice is CardChoice.LAST else "HN2"]
    fund = 10_000 * level
    cards = {
        "MA_THE_BHYT": ";".join(f"{group}791234567890" for group in groups),
        "MA_DKBD": "01001;01001",
        "GT_THE_TU": "20260101;20260101",
        "GT_THE_DEN": "20271231;20271231",
    }
    line = {
        "DON_GIA_BV": "1000000",
        "DON_GIA_BH": "1000000",
        "THANH_TIEN_BV": "1000000",
        "THANH_TIEN_BH": "1000000",
        "MUC_HUONG": str(level),
        "T_BHTT": str(fund),
        "T_BNCCT": str(1_000_000 - fund),
    }
    tables = block("XML1", xml1(without_totals(**cards))), block("XML3", xml3(service(**line)))
    content = claim_file(hoso(*tables))

    quoted = quote_json(_quote_content(content, file="claim.xml", policy=Policy(card_choice=choice)))

    assert quoted["findings"] == []
    assert quoted["visits"][0]["totals"]["T_BHTT"] == f"{fund}.00"


def test_difference_between_the_source_and_our_price_is_listed_and_the_visit_priced():
    case = _case(CASES / "bhyt-036.json")
    case["input"]["visits"][0]["lines"][0] |= {"T_BHTT": "480001", "T_BNCCT": "120000", "MUC_HUONG": 80}

    quote = quote_json(_quote_content(json.dumps(case).encode()))

    assert len(quote["visits"]) == 1
    (finding,) = quote["findings"]
    assert (finding["code"], finding["table"], finding["STT"]) == ("amount-differs", "XML3", 1)
    assert (finding["field"], finding["found"], finding["expected"]) == ("T_BHTT", "480001", "480000.00")


@pytest.mark.parametrize("path", sorted(CLAIMS.glob("*.json")), ids=lambda path: path.stem)
def test_claim_file_gives_the_expected_amounts(path):
    case = json.loads(path.read_text("utf-8"))
    content = path.with_suffix(".xml").read_bytes()

    quote = quote_json(_quote_content(content, file="claim.xml"))

    assert [visit["MA_LK"] for visit in quote["visits"]] == case["ma_lk"]
    assert list(_differences(quote["visits"], case["expected"]["visits"])) == []
    codes = [finding["code"] for finding in quote["findings"]]
    assert case["expect"] in codes if case["expect"] != "ok" else codes == []


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "file-not-wellformed"),
        (b"hello", "file-not-wellformed"),
        (b"{", "file-not-wellformed"),
        (b"[1]", "file-not-wellformed"),
        (b'{"schema": "bhyt-case/1", "schema": "bhyt-case/1"}', "file-not-wellformed"),
        (b'{"schema": "bhyt-case/2", "input": {"visits": []}}', "value-invalid"),
        (b'{"schema": "bhyt-case/1"}', "value-invalid"),
        (b'{"schema": "bhyt-case/1", "input": {"visits": [1]}}', "value-invalid"),
        (b'{"schema": "bhyt-case/1", "input": {"visits": [], "policy": {"x": 1}}}', "value-invalid"),
    ],
)
def test_file_that_is_no_case_gives_one_finding_and_no_visit(content, code):
    quote = _quote_content(content)

    assert quote.visits == ()
    assert [finding.code for finding in quote.findings] == [code]


def test_fault_of_json_is_named_with_its_line():
    (finding,) = _quote_content(b'{"schema": "bhyt-case/1",\n "input": }').findings

    assert (finding.code, finding.expected) == ("file-not-wellformed", "one JSON object")
    assert finding.found == "line 2: Expecting value (column 11)"


def test_key_that_stands_twice_is_named_as_it_is_written():
    (finding,) = _quote_content(b'{"schema": "bhyt-case/1", "schema": "bhyt-case/1"}').findings

    assert (finding.code, finding.field) == ("file-not-wellformed", "schema")


@pytest.mark.parametrize(("written", "differs"), [("10120,00", False), ("10999,00", True)])
def test_amount_in_another_notation_is_compared_all_the_same(written, differs):
    # 50,600 + 328,901 is above the 15 % line: 80 %, so a co-payment of 10,120 for the consultation.
    line = service(MUC_HUONG="80", T_BNCCT=written, T_BHTT="40480")
    drugs = drug(SO_LUONG="1", DON_GIA="328901", THANH_TIEN_BV="328901", THANH_TIEN_BH="328901", MUC_HUONG="80")
    one = xml1(without_totals(MA_THE_BHYT="DN4791234567890"))
    two = xml2(drugs | {"T_BHTT": "263120.8", "T_BNCCT": "65780.2"})
    content = claim_file(hoso(block("XML1", one), block("XML2", two), block("XML3", xml3(line))))

    quote = _quote_content(content)

    assert len(quote.visits) == 1
    assert [finding.code for finding in quote.findings] == ["number-normalised"] + ["amount-differs"] * differs


def test_level_the_reader_called_rounded_is_not_delivered_again():
    one = xml1(without_totals(MA_THE_BHYT="DN4791234567890"))
    line = service(DON_GIA_BV="1000000", DON_GIA_BH="1000000", THANH_TIEN_BV="1000000", THANH_TIEN_BH="1000000")
    level = {"MUC_HUONG": "0.8", "T_BNCCT": "200000", "T_BHTT": "800000"}
    content = claim_file(hoso(block("XML1", one), block("XML3", xml3(line | level))))

    assert [finding.code for finding in _quote_content(content).findings] == ["level-rounded"]


def test_bare_tables_of_one_call_are_joined_and_each_file_keeps_its_quote():
    files = [("x2", xml2().encode()), ("x1", xml1().encode()), ("x3", xml3().encode()), ("y3", _lone_table())]

    quotes = quote_bare_tables(files, parameters=load_parameters(), policy=Policy())

    assert [[quoted.visit.ma_lk for quoted in quote.visits] for quote in quotes] == [[], ["LK-TEST-1"], [], []]
    assert [len(quote.visits[0].priced.lines) for quote in quotes if quote.visits] == [2]
    codes = [[finding.code for finding in quote.findings] for quote in quotes]
    assert codes == [["envelope-absent"]] * 3 + [["envelope-absent", "xml1-missing"]]
    assert [{finding.file for finding in quote.findings} for quote in quotes] == [{"x2"}, {"x1"}, {"x3"}, {"y3"}]


def _lone_table():
    return xml3(service(MA_LK="OTHER")).encode()


@pytest.mark.parametrize(
    ("content", "count"),
    [
        ((CASES / "bhyt-012.json").read_bytes(), 1),
        ((CASES / "bhyt-014.json").read_bytes(), 1),  # B-013 in its price
        ((CASES / "bhyt-062.json").read_bytes(), 1),  # a rule named while it was read
        (b"hello", 0),
        (b'{"schema": "bhyt-case/1", "input": {"visits": [{"MA_LK": "A"}]}}', 0),
    ],
)
def test_visit_whose_rule_is_not_built_counts_as_read(content, count):
    assert _quote_content(content).read_count == count
