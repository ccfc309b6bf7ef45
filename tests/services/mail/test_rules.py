import pytest

from app.services.mail.letter import Letter
from app.services.mail.rules import RULES, Category, categorize


def letter(*headers: str) -> Letter:
    head = "\n".join(("From: bob@example.org", *headers, "", ""))
    return Letter.parse(head.encode(), key="k")


@pytest.mark.parametrize(
    ("headers", "category", "reason"),
    [
        (["Content-Type: text/calendar"], Category.INVITATIONS, "it holds a calendar entry"),
        (["Subject: Your receipt #12"], Category.RECEIPTS, "speaks of a receipt"),
        (["Subject: INVOICE 7"], Category.RECEIPTS, "speaks of a receipt"),
        (["List-Unsubscribe: <https://x.org>"], Category.NEWSLETTERS, "how to unsubscribe"),
        (["List-Id: <python.example.org>"], Category.NEWSLETTERS, "how to unsubscribe"),
        (["Precedence: Bulk"], Category.NEWSLETTERS, "it is bulk mail"),
        (["Importance: High"], Category.IMPORTANT, "marked it as important"),
        (["X-Priority: 1 (Highest)"], Category.IMPORTANT, "marked it as important"),
        (["Priority: urgent"], Category.IMPORTANT, "marked it as important"),
        (["Subject: URGENT: the roof"], Category.IMPORTANT, "says it is urgent"),
        (["Subject: lunch?"], Category.PERSONAL, "no rule fits"),
        (["X-Priority: 3", "Precedence: first-class"], Category.PERSONAL, "no rule fits"),
        (["Subject: preceipts insurgently"], Category.PERSONAL, "no rule fits"),
        (
            ["Subject: Your receipt", "List-Unsubscribe: <https://x.org>"],
            Category.RECEIPTS,
            "speaks of a receipt",
        ),
        (
            ["Subject: URGENT offer", "Importance: high", "List-Id: <x.org>"],
            Category.NEWSLETTERS,
            "how to unsubscribe",
        ),
    ],
)
def test_the_first_rule_that_fits_names_the_folder(
    headers: list[str], category: Category, reason: str
) -> None:
    verdict = categorize(letter(*headers))

    assert verdict.category == category
    assert reason in verdict.reason


def test_each_rule_says_why() -> None:
    assert len({rule.reason for rule in RULES}) == len(RULES)
