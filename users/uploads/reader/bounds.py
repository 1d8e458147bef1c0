"""How much an uploaded file may hold. Whatever is beyond is refused before it is read."""

from __future__ import annotations

MOST_BYTES = 20 * 1024 * 1024
MOST_ROWS = 100_000  # without the headings and without empty rows
MOST_ROWS_OF_A_SHEET = 2 * MOST_ROWS  # empty ones included: they cost time, too
MOST_COLUMNS = 100
LONGEST_CELL = 10_000  # characters
LONGEST_LINE = 1_000_000  # characters of one line of a CSV file
SAMPLE = 20  # rows that are shown before anything is mapped

# Of a workbook, which is a ZIP archive
MOST_MEMBERS = 1_000
MOST_DIRECTORY = 1024 * 1024  # bytes of the archive's list of members
MOST_UNPACKED = 200 * 1024 * 1024
MOST_RATIO = 100  # unpacked to packed, of a member over LARGE
LARGE = 1024 * 1024
LONGEST_TOKEN = 1024 * 1024  # bytes of one piece of markup, such as a tag or a remark
DEEPEST = 32  # elements within elements

# Of the process that reads
MEMORY = 96 * 1024 * 1024  # bytes of addresses
SECONDS_TO_LOOK = 5
SECONDS_TO_READ = 120
