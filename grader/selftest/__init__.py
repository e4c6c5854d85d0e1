"""The students' self-test: what `grader build` packs into `assignment/selftest.pyz`.

It reads the student's files, runs their code and fits their weights by the grader's own modules, which are
packed with it, so that both treat the same file alike. What it asks of the code are checks of its own.
"""
