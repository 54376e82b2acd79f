"""The nine stages of aim over their resources, free of Dagster: assets and command line run the same ones.

    order         the stages by number, under the names of the contract, and how they are carried out
    run           what a run carries along; the one place where a dry run differs from a real one
    places        folders of files, on a disk or in a bucket
    outcomes      what a stage gives back
    inputs        reference tables, events and size keys, which several stages read
    loading       Stage 1: the feeds
    scoring       Stage 3: the scores
    asking        Stage 4, first half: the runlist and the answers of the recommendation service
    recommending  Stage 4: the guard, the publishing and the cost
    reporting     Stages 5 to 9: claims and reports
    sites         which settings, folders and tables a run has

What belongs here: reading through resources, calling the domain, running SQL, publishing. What does not:
rules (the modules beside this package), SQL (`assets/aim/sql`), Dagster (`assets`), command lines
(`scripts`).
"""
