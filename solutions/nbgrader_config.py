"""For a course folder of nbgrader: copy it there. See nbgrader.md beside it."""

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "transformer-variants"
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError()  # write your answer here"}
c.ExecutePreprocessor.timeout = 60  # seconds a cell
c.ExecutePreprocessor.interrupt_on_timeout = True
