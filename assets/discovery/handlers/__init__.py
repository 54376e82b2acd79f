"""The handlers that come with the product: what is done with an item in one stage, a module each.

Every module has `HANDLER_VERSION` and `handle(work)`; the jobs file names it by its bare name. A handler
reads what its `Work` carries, returns a JSON object, `Skip` or `Snooze`, and writes nothing.

    fetch       what an item links to, kept: the only one that reads the web
    extract     HTML or text ──► plain text, title, words
    transcript  WebVTT, SRT or text ──► cues and plain text
    tickers     text ──► the symbols of companies in it (the lists beside it are its own)
    score       text ──► how strongly it speaks of some keywords
    report      a period ──► a summary of it

Not here: what several of them share (`stage_input`), and how handlers are imported (`handler_modules`).
"""
