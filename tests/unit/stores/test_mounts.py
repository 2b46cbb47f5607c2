"""Network file systems are recognised from the table of mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from zephyrus_exec.stores.mounts import network_filesystem, read_mounts

TABLE = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:40 / /srv rw,relatime shared:7 - nfs4 host:/export rw,vers=4.2
41 40 0:41 / /srv/local rw,relatime - xfs /dev/vdb rw
42 27 0:42 / /mnt/my\040share rw,relatime shared:1 master:2 - cifs //host/share rw
43 27 0:43 / /twice rw - ext4 /dev/vdc rw
44 27 0:44 / /twice rw - fuse.sshfs me@host: rw
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/me/journal.db", None),
        ("/srv/journal.db", "nfs4"),
        ("/srv/deep/er/journal.db", "nfs4"),
        ("/srv/local/journal.db", None),
        ("/srvother/journal.db", None),
        ("/mnt/my share/journal.db", "cifs"),
        ("/twice/journal.db", "fuse.sshfs"),
    ],
)
def test_the_deepest_and_latest_mount_decides(path: str, expected: str | None) -> None:
    assert network_filesystem(Path(path), TABLE) == expected


def test_a_share_of_windows_tells_by_its_name() -> None:
    assert network_filesystem(Path(r"\\server\share\journal.db"), "") == "unc"


def test_without_a_table_nothing_is_refused() -> None:
    assert network_filesystem(Path("/srv/journal.db"), "") is None


def test_a_system_without_the_table_has_an_empty_one(tmp_path: Path) -> None:
    assert read_mounts(tmp_path / "missing") == ""


def test_the_table_is_read_whatever_bytes_it_holds(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_bytes(b"1 0 0:1 / /m\xff rw - nfs host:/ rw\n")
    mounts = read_mounts(table)
    assert network_filesystem(Path("/m\udcff/journal.db"), mounts) == "nfs"
