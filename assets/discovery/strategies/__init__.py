"""The ways of finding candidates, a module each, named as in the jobs file.

`base` is what they share, `params` what each can be told, `registry` which of them exist. A strategy reads
its source through what its `Ask` carries, yields candidates and marks, and writes nothing.

Beside them: `marking` and `json_values`, which several share; `table_rows`, `json_stream` and `file_prefix`
of `table_file`; `watermarks` of `sql_query`; `git_command` of `git_history`; `periods` of `date_range`;
`mbox_file` and `mail_message` of `mailbox`.

Those that read the web share `web_source`, `instants`, `xml_documents`, `xml_stream` and `link_filter`. The
feeds have `feed_candidates`, `feed_document`, `feed_entry`, `feed_text`, `feed_xml` and `json_feed`;
`json_api` has `json_listing`, `paging` and `link_header`; `releases` has `release_lists`; `sitemap` has
`sitemap_file`; `html_links` has `html_page`; `edgar_index` has `edgar_rows`; `oai_pmh` has `oai_page`.
"""
