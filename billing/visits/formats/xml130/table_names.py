"""Names of the tables of a claim file and of their elements.

Source: Decision 130/QĐ-BYT as amended (tables XML0–XML15); roots as read in public programs, docs/reference/xml130.md,
section "Variants seen in the wild".
"""

XML1, XML2, XML3 = "XML1", "XML2", "XML3"

TABLES = frozenset(f"XML{number}" for number in range(16))

LINE_OF_TABLE = {XML2: "CHI_TIET_THUOC", XML3: "CHI_TIET_DVKT"}

ROOTS = {
    XML1: frozenset({"TONG_HOP"}),
    XML2: frozenset({"CHITIEU_CHITIET_THUOC", "DSACH_CHI_TIET_THUOC", "CHI_TIET_THUOC"}),
    XML3: frozenset({"CHITIEU_CHITIET_DVKT_VTYT", "DSACH_CHI_TIET_DVKT", "CHI_TIET_DVKT"}),
}

DOUBTFUL_ROOTS = {XML1: "CHITIEUKCB", XML2: "CHITIETTHUOC", XML3: "CHITIET_DVKT"}
"""Roots that only one known reader accepts: accepted when LOAIHOSO and the fields agree with them."""

TABLE_OF_ROOT = {root: table for table, roots in ROOTS.items() for root in roots}

ALL_PRICED_ROOTS = frozenset(TABLE_OF_ROOT) | frozenset(DOUBTFUL_ROOTS.values())
