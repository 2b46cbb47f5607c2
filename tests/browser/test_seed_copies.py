"""The clients that the tests run are those of the original service's documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, blocks

SEED = ROOT.parent / "shared" / "spec" / "seed.md"
"""That documentation, where it lies beside the repository."""


@pytest.mark.skipif(not SEED.is_file(), reason="shared/spec/seed.md is not beside the repository")
@pytest.mark.parametrize(
    ("language", "name"), [("javascript", "client.js"), ("jsx", "AgentExecutor.jsx")]
)
def test_a_copied_client_is_the_documents_byte_for_byte(language: str, name: str) -> None:
    (shown,) = blocks(SEED, language)
    assert (Path(__file__).parent / "seed" / name).read_bytes() == shown.text.encode()
