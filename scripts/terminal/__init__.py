"""What command lines of several pipelines share: how they answer, to people and to programs.

- `answers`: an answer with its exit code and notes, and the exit code of a failure
- `layout`: tables, facts and lines for people
- `output`: standard output, as JSON or for people, to a terminal, a file or a closed pipe

Not here: options, and what a pipeline says of its failures (`beams`, `discovery_cli`).
"""
