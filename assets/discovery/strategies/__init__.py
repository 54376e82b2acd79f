"""The ways of finding candidates, a module each, named as in the jobs file.

`base` is what they share, `params` what each can be told, `registry` which of them exist. A strategy reads
its source through what its `Ask` carries, yields candidates and marks, and writes nothing.

Beside them: `marking` and `json_values`, which several share; `table_rows`, `json_stream` and `file_prefix`
of `table_file`; `watermarks` of `sql_query`; `git_command` of `git_history`; `periods` of `date_range`;
`mbox_file` and `mail_message` of `mailbox`. The strategies that read the web are still to come.
"""
