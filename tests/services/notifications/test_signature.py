from base64 import b64encode

import pytest

from app.services.notifications.signature import InvalidSecret, secrets_in, signed
from tests.services.notifications.receiver import SECRET, is_signed

OTHER = f"whsec_{b64encode(b'another secret of 24 bytes').decode()}"
BODY = b'{"test": 2432232314}'


def test_the_receiver_of_these_tests_knows_the_signature_of_the_standards_own_example() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }

    assert is_signed(headers, BODY, secret=SECRET, now=1614265330)


def test_what_is_signed_is_believed_and_nothing_else_is() -> None:
    headers = signed(SECRET, key="k", at=1000, body=BODY)

    assert is_signed(headers, BODY, secret=SECRET, now=1100)
    assert not is_signed(headers, BODY + b" ", secret=SECRET, now=1100)
    assert not is_signed(headers, BODY, secret=OTHER, now=1100)
    assert not is_signed(headers | {"webhook-id": "msg_other"}, BODY, secret=SECRET, now=1100)
    assert not is_signed(headers | {"webhook-timestamp": "1001"}, BODY, secret=SECRET, now=1100)
    assert not is_signed(headers, BODY, secret=SECRET, now=1301)


def test_a_repeat_has_the_same_id_and_a_time_of_its_own() -> None:
    first, again = (signed(SECRET, key="k", at=at, body=BODY) for at in (1000, 2000))
    other = signed(SECRET, key="other", at=1000, body=BODY)

    assert first["webhook-id"] == again["webhook-id"] != other["webhook-id"]
    assert again["webhook-timestamp"] == "2000"
    assert is_signed(again, BODY, secret=SECRET, now=2000)


@pytest.mark.parametrize("secret", [SECRET, OTHER])
def test_while_a_secret_is_replaced_either_is_enough(secret: str) -> None:
    headers = signed(f"{OTHER} {SECRET}", key="k", at=1000, body=BODY)

    assert is_signed(headers, BODY, secret=secret, now=1000)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "s3cret!", "whsec_" + "é" * 40])
def test_what_signs_nothing_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(InvalidSecret) as refused:
        secrets_in(secret)

    assert "c2hvcnQ=" not in str(refused.value)
    assert "s3cret" not in str(refused.value)
