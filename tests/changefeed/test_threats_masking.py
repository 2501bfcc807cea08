"""What masking leaves of secrets and people in logs, answers and addresses: pure."""

import json
from urllib.parse import quote

import pytest

from changefeed.admin.masking import masked, scrubbed
from changefeed.dispatch.redaction import Redaction, address_without_query
from config import logs

NAME, STREET, PHONE = "欧阳金丝雀", "金丝雀巷 77 弄", "13912345678"
SECRET = "whsec_A1b2/C3d4+E5f6/G7h8i9J0k1L2m3N4o5P6q7R8s="


@pytest.mark.parametrize("secret", ["whsec_abcd/efgh+ijkl==", "whsec_" + "A1/" * 10 + "zz="])
@pytest.mark.parametrize("form", ["{}", "x_{}", "%20{}", "({})", '"{}"', "a={}&b", "secret,{}"])
def test_a_signing_secret_is_masked_to_its_end_wherever_it_stands(secret, form):
    for text in (secret, secret.replace("/", "\\/"), quote(secret, safe="")):
        masked = logs.mask_text(form.format(text))
        assert masked == form.format("whsec_***").replace("secret,whsec", "secret,whsec")


def test_a_refused_row_of_several_lines_is_not_quoted_in_a_log():
    """As PostgreSQL says it, and as a traceback shows it with what caused it and what follows."""
    row = f"Failing row contains (1, {NAME}\n{STREET}\n\n, x)."
    error = (
        f'psycopg.errors.CheckViolation: new row violates "c"\nDETAIL:  {row}\n'
        'CONTEXT:  SQL statement "INSERT"\nPL/pgSQL function f() line 1\n\n'
        "The above exception was the direct cause of the following exception:\n\nTraceback"
    )

    masked = logs.mask_text(error)

    assert NAME not in masked
    assert STREET not in masked
    for kept in ('violates "c"', "PL/pgSQL function f()", "The above exception", "Traceback"):
        assert kept in masked
    json_error = f'ERROR: invalid\nCONTEXT:  JSON data, line 1: {{"name": "{NAME}"...\nmore'
    assert NAME not in logs.mask_text(json_error)


@pytest.mark.parametrize("written", [SECRET, SECRET[6:], SECRET[6:-1], "x" + SECRET + "y"])
@pytest.mark.parametrize(
    "form", [str, lambda one: one.replace("/", "\\/"), lambda one: quote(one, safe="")]
)
def test_no_answer_tells_an_endpoints_secret(written, form):
    redaction = Redaction("https://wms.example/hook", [SECRET, "whsec_b2xkb2xkb2xk"])

    shown = redaction.text(f"got {form(written)} and b2xkb2xkb2xk")

    assert "C3d4" not in shown
    assert "b2xk" not in shown
    assert shown.startswith("got ")
    assert redaction.document(f"[{form(written)}]".encode()).count(b"C3d4") == 0


def test_an_answer_without_secrets_keeps_its_bytes():
    redaction = Redaction("https://wms.example/hook?a=b&token=abcdefgh", [SECRET])
    document = b'{"results":[]}\xff\x00' + "正常".encode()

    assert redaction.document(document) == document
    assert redaction.text("正常 a=b") == "正常 a=b"
    assert redaction.text("/hook?a=b&token=abcdefgh x abcdefgh") == "/hook?*** x ***"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://wms.example/hook", "https://wms.example/hook"),
        ("https://wms.example/hook?token=abc", "https://wms.example/hook?***"),
        ("https://wms.example/hook?", "https://wms.example/hook?***"),
        ("https://wms.example/?a=?b", "https://wms.example/?***"),
    ],
)
def test_of_an_address_the_query_is_not_for_everybody(url, shown):
    assert address_without_query(url) == shown


MEMBER = {"recipient": {"name": NAME, "phone": "+86" + PHONE, "phone_masked": "139****5678"}}


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("cut", [0, 2, 5, 60])
def test_json_in_an_answer_names_nobody_however_deep_it_is_quoted_or_where_it_ends(
    ascii_only, depth, cut
):
    """Of people that we did not tell of in this very message, too."""
    text = json.dumps({**MEMBER, "street": STREET}, ensure_ascii=ascii_only)
    for _ in range(depth):
        text = json.dumps({"you sent": text}, ensure_ascii=ascii_only)

    shown = scrubbed(text[: len(text) - cut], [])

    for hidden in (NAME, STREET, PHONE, "金丝", json.dumps("金丝")[1:-1], "1234"):
        assert hidden not in shown
    assert "recipient" in shown


def test_the_end_of_a_cut_answer_may_be_the_beginning_of_a_name():
    personal = [(STREET, "***"), (NAME, "欧***")]

    assert scrubbed("no such street: 金丝雀巷 7", personal, is_cut=True) == "no such street: ***"
    assert scrubbed("who is 欧阳金", personal, is_cut=True) == "who is ***"
    assert scrubbed("欧", personal, is_cut=True) == "欧"
    assert scrubbed("no such SKU", personal, is_cut=True) == "no such SKU"


@pytest.mark.parametrize("prefix", ["", "+86", "86", "0086", "+86 ", "+86-"])
def test_numbers_with_a_country_are_numbers(prefix):
    shown = scrubbed(f"call {prefix}{PHONE}.", [])

    assert "1234" not in shown
    assert shown.endswith("5678.")
    assert "1234" not in str(masked({"reason": f"call {prefix}{PHONE}"}))
