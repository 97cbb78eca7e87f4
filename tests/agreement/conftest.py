"""What people said of the summaries of QAGS."""

import pytest

from core.agreement import sources


@pytest.fixture(scope="package")
def qags(datasets_root):
    file = datasets_root / sources.QAGS
    if not file.is_file():
        pytest.skip(f"QAGS is not at {file}; set GROUNDWORK_DATASETS.")
    source = sources.open_file(file)
    return source, sources.table_of(source, "sentences", "main")
