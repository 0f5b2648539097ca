"""The measurement against another tool's texts reads its tests as that tool does; on a test of our own in its form."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleexmon_pipeline_tests.bench import leaks_in_texts

TEST = """
var (
	keyword = "acme"
	valid   = "7d2e9f0c1b3a4d5e6f708192a3b4c5d6"
	text    = "acme token is hidden"
)

func TestAcme_Pattern(t *testing.T) {
	tests := []struct{}{
		{
			name: "valid pattern",
			input: `
				[DEBUG] Using Key=7d2e9f0c1b3a4d5e6f708192a3b4c5d6
				[INFO] Response received: 200 OK
			`,
			want: []string{valid},
		},
		{
			name:  "valid pattern - bare",
			input: "acme 7d2e9f0c1b3a4d5e6f708192a3b4c5d6",
			want:  []string{"7d2e9f0c1b3a4d5e6f708192a3b4c5d6"},
		},
		{
			name:  "not in the text",
			input: text,
			want:  []string{"7d2e9f0c1b3a4d5e6f708192a3b4c5d6"},
		},
		{
			name:  "invalid pattern",
			input: `nothing`,
			want:  nil,
		},
	}
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "acme_test.go").write_text(TEST, "utf-8")
    return tmp_path


def test_texts_and_what_must_be_found_in_them_are_read(folder: Path) -> None:
    assert [(case.detector, case.name) for case in leaks_in_texts.cases(folder)] == [
        ("acme", "valid pattern"), ("acme", "valid pattern - bare"),
    ]  # fmt: skip


def test_a_text_counts_if_none_of_its_secrets_is_left(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = leaks_in_texts.measure(folder, show=5)

    assert table.rows == [{"texts": 2, "all_secrets_gone": 1, "share": "50.0%"}]
    assert capsys.readouterr().out == "acme: acme 7d2e9f0c1b3a4d5e6f708192a3b4c5d6\n"


def test_a_folder_without_tests_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert leaks_in_texts.main([str(tmp_path)]) == 1
    assert "pkg/detectors" in capsys.readouterr().err
