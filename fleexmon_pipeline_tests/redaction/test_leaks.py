"""The measurement against another tool's rules reads them as that tool does; on rules of our own in its form."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from fleexmon_pipeline_tests.bench.leaks import Source, drawn, measure

FORMS = """
	samples := map[string]string{
		"ini": "{i}Token=\\"{s}\\"",
		// TODO: "left out": "{i}={s}",
		"escaped": `{"config.ini": "{I}_TOKEN={s}\\n"}`,
	}
"""
RULES = """
func Acme() *config.Rule {
	r := config.Rule{
		Regex: utils.GenerateUniqueTokenRegex(`acme_[a-z0-9]{32}`, false),
	}
	tps := utils.GenerateSampleSecrets("acme", "acme_"+secrets.NewSecret(utils.AlphaNumeric("32")))
	tps = append(tps, fmt.Sprintf("%s", unread))
	fps := []string{
		"acme_{short}", // a comment, with "quotes"
		`words ` + "joined",
	}
	return utils.Validate(r, tps, fps)
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "utils").mkdir()
    (tmp_path / "rules").mkdir()
    (tmp_path / "utils" / "generate.go").write_text(FORMS, "utf-8")
    (tmp_path / "rules" / "acme.go").write_text(RULES, "utf-8")
    return tmp_path


def test_examples_are_made_from_the_rules(folder: Path) -> None:
    source = Source(folder, seed=1)
    true, alone, harmless = list(source.true()), list(source.alone()), list(source.harmless())

    assert all(re.fullmatch(r"acme_[a-z0-9]{32}", example.secret or "") for example in true)
    assert {re.sub(r"acme_[a-z0-9]{32}", "S", example.text) for example in true} == {
        'acmeToken="S"',
        '{"config.ini": "ACME_TOKEN=S\\n"}',
    }
    assert len({example.secret for example in true}) == 3, "each form has the three random values"
    assert "request with S was refused" in {example.text.replace(example.secret or "", "S") for example in alone}
    assert [example.text for example in harmless] == ["acme_{short}", "words joined"]
    assert source.unread == 1


def test_a_secret_that_stays_is_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleexmon_pipeline_tests.bench.leaks.redact", lambda text: text.replace("acmeToken", "x"))
    monkeypatch.setattr("fleexmon_pipeline_tests.bench.leaks.RATE_LINES", 2_000)

    true, _, harmless, *_ = measure(folder, 1, 0).rows

    assert true["redacted"] == 0
    assert true["worst"] == "acme.Acme (6 missed)"
    assert (harmless["number"], harmless["redacted"]) == (2, 0)


@pytest.mark.parametrize("form", ["[A-Z2-7]{16}", "00[\\w=-]{40}", "fm1[ar]_[a-z+/]{10,}={0,3}", "x(?:a|b)c?\\d+"])
def test_texts_are_drawn_from_a_form(form: str) -> None:
    rnd = random.Random(1)

    assert all(re.fullmatch(form, drawn(form, rnd)) for _ in range(20))
