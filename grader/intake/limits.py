"""The bounds of what intake reads. All are far above what an honest hand-in needs."""

KIB = 1024
MIB = 1024 * KIB

CODE_BYTES = 2 * MIB  # a .py file, or all code cells of a notebook together
NOTEBOOK_BYTES = 64 * MIB  # outputs included
NOTEBOOK_MARKS = 6_000_000  # `{`, `[` and `,` of its JSON: what its values cost in memory when parsed
NOTEBOOK_CELLS = 10_000
ANSWER_BYTES = 1 * MIB
WEIGHT_BYTES = 256 * MIB
METADATA_BYTES = 256 * KIB  # one of Blackboard's text files

STUDENT_FILES = 2_000  # what systems litter (`.git`, `__MACOSX`, …) not counted
STUDENT_BYTES = 1024 * MIB  # unpacked, inner archives included
SOURCE_FILES = 100_000
WRAPPED_DOWNLOAD_BYTES = 8 * 1024 * MIB  # a download's zip that was zipped again
ARCHIVE_LEVELS = 2  # the student's zip, and a zip in it

# A zip's list of members is read whole, so its size is bounded before it is opened.
SOURCE_DIRECTORY_BYTES = 32 * MIB
STUDENT_DIRECTORY_BYTES = 8 * MIB

# Deflate packs no more than 1,032 to one; code, notebooks and weights stay under 50.
BOMB_RATIO = 200
BOMB_BYTES = 16 * MIB  # a smaller member is harmless whatever its ratio

PATH_CHARACTERS = 1_000
NAME_CHARACTERS = 100  # of a display name or an id
REMARK_CHARACTERS = 300
REMARKS = 40  # a submission
