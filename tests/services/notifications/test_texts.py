import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.notifications.texts import (
    LONGEST_AI_SMS,
    LONGEST_SMS,
    Kind,
    body_text,
    headline,
    slack_text,
    sms_text,
    units,
    webhook_json,
)

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
TEXTS = st.text(max_size=3_000) | st.text(alphabet="😀<&>", max_size=3_000)


@pytest.mark.parametrize(
    ("kind", "title", "sign"),
    [
        (Kind.INFO, "Backup", ":information_source:"),
        (Kind.SUCCESS, "Done: Backup", ":white_check_mark:"),
        (Kind.FAILED, "Failed: Backup", ":x:"),
    ],
)
def test_a_kind_is_seen_at_a_glance(kind: Kind, title: str, sign: str) -> None:
    assert headline("Backup", kind) == title
    assert slack_text("Backup", "3 files", kind) == f"{sign} *Backup*\n3 files"
    said = json.loads(webhook_json("Backup", "3 files", kind, at=NOW, user_id=7))
    assert said == {
        "type": f"notification.{kind}",
        "timestamp": "2026-01-02T03:04:00+00:00",
        "data": {"user_id": 7, "title": "Backup", "body": "3 files"},
    }


def test_an_sms_that_fits_is_whole_and_one_that_does_not_says_so() -> None:
    body = "x" * (LONGEST_SMS - len("Hi\n"))

    assert sms_text("Hi", body) == f"Hi\n{body}"
    cut = sms_text("Hi", body + "y")
    assert (len(cut), cut.endswith("x [...]")) == (LONGEST_SMS + len(" [...]"), True)


def test_of_what_the_assistant_wrote_an_sms_has_500_characters() -> None:
    text = sms_text("Sum up", "x" * 600, is_ai=True)

    assert text == "Sum up\n" + "x" * LONGEST_AI_SMS + " [...]"
    assert sms_text("Sum up", "x" * 500, is_ai=True).endswith("x" * 500)


@given(title=TEXTS, body=TEXTS, kind=st.sampled_from(Kind))
def test_no_text_is_longer_than_its_channel_takes(title: str, body: str, kind: Kind) -> None:
    title, body = headline(title, kind), body_text(body)

    assert 0 < units(sms_text(title, body)) <= 1_600
    assert 0 < len(slack_text(title, body, kind)) <= 40_000
    assert len(webhook_json(title, body, kind, at=NOW, user_id=1).encode()) < 30_000
    assert "\n" not in title


@given(text=TEXTS)
def test_nobody_is_called_and_nothing_linked_by_what_a_text_brings_along(text: str) -> None:
    said = slack_text("Hi", f"<!channel> {text}", Kind.INFO)

    assert "<" not in said
    assert ">" not in said
    assert said.startswith(":information_source: *Hi*\n&lt;!channel&gt; ".rstrip())


def test_no_title_and_no_body_are_no_empty_message() -> None:
    assert sms_text(headline(""), "") == "(no title)"
