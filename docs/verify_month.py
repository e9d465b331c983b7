"""Check the certificate of a closed month with those of its days: python3 verify_month.py MONTH.json DAY.json...

Needs Python 3.11 and `verify_day.py` next to it. `--head` is the hash of the seal of the month, kept outside the
database; without it the check proves that the files agree with each other, not that they are the original ones.
"""

import argparse
import hashlib
import json
import sys

from verify_day import Refused, canonical, check, distinct, require


def check_seal(certificate: dict, head: str | None) -> None:
    """The block has its hash, and covers the closing of the month with the hash of the content."""
    content, seal, rows = certificate["content"], certificate["seal"], certificate["sealed_rows"]
    require(rows.keys() == {"month_closing"}, "the sealed rows are of other kinds")
    parts = [[kind, *seal["parts"][kind]] for kind in sorted(seal["parts"])]
    fields = ("organization_id", "number", "previous_hash", "covers_from", "covers_until", "sealed_at")
    block = ["vienphi-seal-1", *(seal[name] for name in fields), parts]
    require(hashlib.sha256(canonical(block)).hexdigest() == seal["hash"], "the seal does not have its hash")
    lines = b"".join(canonical(row) + b"\n" for row in rows["month_closing"])
    part = [len(rows["month_closing"]), hashlib.sha256(lines).hexdigest()]
    require(part == seal["parts"].get("month_closing"), "the rows of month_closing are not those of the seal")
    hashed = hashlib.sha256(canonical(content, sort_keys=True)).hexdigest()
    totals = [len(content["days"]), content["entries"], content["amount"], hashed]
    sealed = [row[6:10] for row in rows["month_closing"] if row[1] == content["month"]]
    require(sealed == [totals], "the content is not the one that was sealed")
    require(seal["organization_id"] == content["organization_id"], "the seal is of another organization")
    require(head is None or head.lower() == seal["hash"], "the seal is not the one that was kept")


def check_month(content: dict) -> None:
    """The days sum to the month, and each account closes with its movements."""
    for name in ("entries", "amount"):
        require(sum(each[name] for each in content["days"]) == content[name], f"the {name} of the days differ in total")
    for side in ("debit", "credit"):
        require(sum(each[side] for each in content["balances"]) == content["amount"], f"the {side}s differ in total")
    for each in content["balances"]:
        moved = each["opening"] + each["debit"] - each["credit"]
        require(moved == each["closing"], f"account {each['role']} {each['subject']} does not close")


def check_days(content: dict, days: list[dict]) -> None:
    """Each day of the month has its certificate; together they have the movements of the month."""
    given = {each["day"]: each for each in days}
    require(len(given) == len(days), "a day is given twice")
    require(given.keys() == {each["day"] for each in content["days"]}, "the days given are not those of the month")
    moved: dict[tuple[str, str], list[int]] = {}
    for stated in content["days"]:
        day = given[stated["day"]]
        hashed = hashlib.sha256(canonical(day, sort_keys=True)).hexdigest()
        require(stated["content_sha256"] == hashed, f"the certificate of {stated['day']} is another one")
        require(day["organization_id"] == content["organization_id"], f"{stated['day']} is of another organization")
        for each in day["balances"]:
            sums = moved.setdefault((each["role"], each["subject"]), [0, 0])
            sums[0] += each["debit"]
            sums[1] += each["credit"]
    of_month = {(each["role"], each["subject"]): [each["debit"], each["credit"]] for each in content["balances"]}
    for account in moved.keys() | of_month.keys():
        require(moved.get(account, [0, 0]) == of_month.get(account, [0, 0]), f"the days of {account} differ in total")


def verify(month: str, days: list[str], head: str | None = None) -> dict:
    """The content of a month, checked with the certificates of its days. Raises Refused."""
    try:
        certificate = json.loads(month, object_pairs_hook=distinct)
        require(certificate.keys() == {"format", "content", "seal", "sealed_rows"}, "the file has other fields")
        require(certificate["format"] == "vienphi-month-1", "the format is unknown")
        check_seal(certificate, head)
        check_month(certificate["content"])
        check_days(certificate["content"], [check(day)["content"] for day in days])
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f"the file is no certificate: {error!r}") from error
    return certificate


def main() -> int:
    parser = argparse.ArgumentParser(description="Check the certificate of a closed month.")
    parser.add_argument("certificate")
    parser.add_argument("days", nargs="+", help="the certificates of its days")
    parser.add_argument("--head", help="the hash of the seal, 64 digits")
    given = parser.parse_args()
    texts = []
    for name in (given.certificate, *given.days):
        with open(name, encoding="utf-8") as file:
            texts.append(file.read())
    try:
        certificate = verify(texts[0], texts[1:], given.head)
    except Refused as refused:
        sys.stdout.write(f"REFUSED: {refused}\n")
        return 1
    content, seal = certificate["content"], certificate["seal"]
    sys.stdout.write(
        f"the certificate of {content['month'][:7]} holds: {len(content['days'])} days, {content['entries']} entries, "
        f"{content['amount']} đồng\nseal {seal['number']}: {seal['hash']}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
