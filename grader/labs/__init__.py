"""The labs that come with the grader, each a folder; `grader.lab` says what is in one."""
