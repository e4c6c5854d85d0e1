"""The limits on what intake reads. All are far above what an honest hand-in needs."""

KIB = 1024
MIB = 1024 * KIB

CODE_BYTES = 2 * MIB  # a .py file, or all code cells of a notebook together
NOTEBOOK_BYTES = 64 * MIB  # outputs included
NOTEBOOK_TEXT_BYTES = 16 * MIB  # ... its pictures not included
NOTEBOOK_MARKS = 1_500_000  # `{`, `[` and `,` of its JSON: what its values cost in memory when parsed
NOTEBOOK_CELLS = 10_000
ANSWER_BYTES = 1 * MIB

# Of all the files together that are read in search of the code, or of the answers.
CODE_SEARCH_BYTES = 96 * MIB  # a large notebook, and a smaller one
CODE_SEARCH_KEPT_BYTES = 4 * CODE_BYTES
ANSWER_SEARCH_FILES = 200
ANSWER_SEARCH_BYTES = 8 * MIB

WEIGHT_BYTES = 256 * MIB
METADATA_BYTES = 256 * KIB  # one of Blackboard's text files

STUDENT_FILES = 2_000  # what systems litter (`.git`, `__MACOSX`, …) not counted
STUDENT_BYTES = 1024 * MIB  # unpacked, inner archives included
STUDENT_ENTRIES = 5 * STUDENT_FILES  # ... folders counted
SECTION_ENTRIES = 100_000  # of a folder with a section's students
SOURCE_FILES = 100_000
FOLDER_FILES = 1_000_000  # of a folder with a class's work, of which nobody can hand in more than the above
WRAPPED_DOWNLOAD_BYTES = 8 * 1024 * MIB  # a download's zip that was zipped again
DOWNLOADS = 20  # that are read together
ARCHIVE_LEVELS = 2  # the student's zip, and a zip in it

ARCHIVES = 50  # that are opened of one submission; each keeps a file open

# A zip's list of members is read whole and costs its reader twenty times its size, so what is in it is
# counted first. Of a submission: in all its zips together.
SOURCE_DIRECTORY_BYTES = 32 * MIB
STUDENT_DIRECTORY_BYTES = 8 * MIB
STUDENT_MEMBERS = 60_000  # what systems litter counted: an environment of Python's has some 30,000
MEMBER_EXTRA_BYTES = 4 * KIB  # zipfile takes the square of its length; honest tools write some dozens
UNPACK_SECONDS = 6.0  # of CPU time; 256 MiB of weights take two. A stream of empty blocks takes minutes

# Deflate packs no more than 1,032 to one; code, notebooks and weights stay under 50.
BOMB_RATIO = 200
BOMB_BYTES = 16 * MIB  # a smaller member is harmless whatever its ratio

PATH_CHARACTERS = 1_000
NAME_CHARACTERS = 100  # of a display name or an id
REMARK_CHARACTERS = 300
REMARKS = 40  # a submission
