"""Check the certificate of a closed day: python3 verify_day.py CERTIFICATE.json [--head HASH]

Needs Python 3.11 and nothing else: neither the service nor its database. `--head` is the hash printed on the closing
paper of the day. Without it the check proves that the certificate agrees with itself, not that it is the original one.
"""

import argparse
import hashlib
import json
import sys


class Refused(Exception):
    """The certificate does not hold; the text says where."""


def require(holds: object, problem: str) -> None:
    if not holds:
        raise Refused(problem)


def canonical(value: object, *, sort_keys: bool = False) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys).encode()


def check_seal(certificate: dict, head: str | None) -> None:
    """The block has its hash, and covers the closing of the day and the hash of the content."""
    content, seal, rows = certificate["content"], certificate["seal"], certificate["sealed_rows"]
    keys = "organization_id number previous_hash covers_from covers_until sealed_at parts hash"
    require(seal.keys() == set(keys.split()), "the seal has other fields")
    require(rows.keys() == {"closing", "day_certificate"}, "the sealed rows are of other kinds")
    parts = [[kind, *seal["parts"][kind]] for kind in sorted(seal["parts"])]
    fields = ("organization_id", "number", "previous_hash", "covers_from", "covers_until", "sealed_at")
    block = ["vienphi-seal-1", *(seal[name] for name in fields), parts]
    require(hashlib.sha256(canonical(block)).hexdigest() == seal["hash"], "the seal does not have its hash")
    for kind in rows:
        lines = b"".join(canonical(row) + b"\n" for row in rows[kind])
        part = [len(rows[kind]), hashlib.sha256(lines).hexdigest()]
        require(part == seal["parts"].get(kind), f"the rows of {kind} are not those of the seal")
    hashed = hashlib.sha256(canonical(content, sort_keys=True)).hexdigest()
    sealed = [row[2] for row in rows["day_certificate"] if row[1] == content["day"]]
    require(sealed == [hashed], "the content is not the one that was sealed")
    closed = [row[6:8] for row in rows["closing"] if row[1] == content["day"]]
    require(closed == [[content["entries"], content["amount"]]], "the closing has other totals")
    require(seal["organization_id"] == content["organization_id"], "the seal is of another organization")
    require(head is None or head.lower() == seal["hash"], "the seal is not the one on the closing paper")


def check_balances(content: dict) -> None:
    """Debits equal credits and the total of the closing; each account closes with its movements."""
    for side in ("debit", "credit"):
        require(sum(each[side] for each in content["balances"]) == content["amount"], f"the {side}s differ in total")
    for each in content["balances"]:
        moved = each["opening"] + each["debit"] - each["credit"]
        require(moved == each["closing"], f"account {each['role']} {each['subject']} does not close")


def check_statements(content: dict) -> None:
    """Each statement is of a source; a single statement of the day has its lines and the stated balance."""
    sources = {each["import_id"] for each in content["sources"]}
    banks = [each for each in content["results"] if each["account_kind"] == "bank_account"]
    closings = {each["account_id"]: each["statement_closing"] for each in banks}
    for statement in content["statements"]:
        account = statement["bank_account_id"]
        require(statement["import_id"] in sources, f"a statement of {account} has no source file")
        of_account = [each for each in content["statements"] if each["bank_account_id"] == account]
        if len(of_account) > 1 or (statement["from_day"], statement["to_day"]) != (content["day"], content["day"]):
            continue
        lines = [each["amount"] for each in content["lines"] if each["bank_account_id"] == account]
        require(statement["opening"] + sum(lines) == statement["closing"], f"the lines of {account} do not sum")
        require(len(lines) == statement["lines"], f"lines of {account} are missing")
        require(closings.get(account) == statement["closing"], f"the result of {account} has another balance")


def check_matches(content: dict) -> None:
    """No item is matched twice, and no line is both matched and listed as unmatched."""
    matched = [(item["kind"], item["id"]) for match in content["matches"] for item in match["items"]]
    require(len(matched) == len(set(matched)), "an item is in two matches")
    listed = [item for each in content["results"] for item in each["items"] if item["kind"] == "line_unmatched"]
    require(not {("statement_line", item["id"]) for item in listed} & set(matched), "an unmatched line is matched")
    amounts = {each["id"]: each["amount"] for each in content["lines"]}
    for item in (item for match in content["matches"] for item in match["items"]):
        known = amounts.get(item["id"], item["amount"])
        require(item["amount"] == known, f"{item['kind']} {item['id']} is matched with another amount")


def check_results(content: dict) -> None:
    """Each bridge explains its difference, and the result follows from it."""
    roles = {
        "bank_account": "bank",
        "bank_clearing": "clearing",
        "provider_account": "clearing",
        "card_terminal": "clearing",
    }
    balances = {(each["role"], each["subject"]): each["closing"] for each in content["balances"]}
    breaks = {
        "line_unmatched",
        "opening_difference",
        "statement_gap",
        "card_batch_difference",
        "settlement_line_unmatched",
    }
    for each in content["results"]:
        name = f"{each['account_kind']} {each['account_id']}"
        ledger = balances.get((roles[each["account_kind"]], each["account_id"]), 0)
        require(each["ledger_balance"] == ledger, f"{name} has another balance in the ledger")
        listed = sum(item["amount"] for item in each["items"] if item["kind"] != "settlement_line_unmatched")
        stated = each["statement_closing"]
        residual = ledger - listed if stated is None else stated - ledger - listed
        require(each["residual"] == residual, f"the bridge of {name} does not sum")
        is_broken = residual or each["open_exceptions"] or breaks & {item["kind"] for item in each["items"]}
        result = "breaks" if is_broken else "reconciled_with_pending" if each["items"] else "reconciled"
        require(each["result"] == result, f"the result of {name} is {result}")


def distinct(pairs: list[tuple[str, object]]) -> dict:
    require(len(pairs) == len(dict(pairs)), "a field is stated twice")
    return dict(pairs)


def check(text: str, head: str | None = None) -> dict:
    """The certificate, checked. Raises Refused."""
    try:
        certificate = json.loads(text, object_pairs_hook=distinct)
        require(certificate.keys() == {"format", "content", "seal", "sealed_rows"}, "the file has other fields")
        require(certificate["format"] == "vienphi-day-1", "the format is unknown")
        check_seal(certificate, head)
        for each in (check_balances, check_statements, check_matches, check_results):
            each(certificate["content"])
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f"the file is no certificate: {error!r}") from error
    return certificate


def main() -> int:
    parser = argparse.ArgumentParser(description="Check the certificate of a closed day.")
    parser.add_argument("certificate")
    parser.add_argument("--head", help="the hash on the closing paper, 64 digits")
    given = parser.parse_args()
    try:
        with open(given.certificate, encoding="utf-8") as file:
            certificate = check(file.read(), given.head)
    except Refused as refused:
        sys.stdout.write(f"REFUSED: {refused}\n")
        return 1
    content, seal = certificate["content"], certificate["seal"]
    lines = [f"the certificate of {content['day']} holds: {content['entries']} entries, {content['amount']} đồng"]
    for each in content["results"]:
        lines.append(f"{each['account_kind']} {each['account_id']}: {each['result']}, residual {each['residual']}")
    compared = "" if given.head else " (not compared with a closing paper)"
    sys.stdout.write("\n".join([*lines, f"seal {seal['number']}: {seal['hash']}{compared}"]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
