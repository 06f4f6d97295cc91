"""Grading a class of unknown submissions: `course class grade FOLDER`.

A submission's code runs in a process of its own, behind limits, and hands back plain values. What is right is
decided here, in the grader's process, by the same checks that the learner's notebook uses.

    submissions   what lies in the folder, read as data and never run
    worker        the process a submission runs in
    guard         its limits, and what it may not touch
    wire          values on their way from there to here
    judge         from values to points
    report        the CSV and the pages
"""
