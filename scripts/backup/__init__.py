"""`python -m scripts.backup create|verify|restore`: a home as one file or folder, while runs go on.

    __main__     the command line: options, exit codes, what people and programs are told
    contents     what of a home belongs into a backup, and in which order it is copied
    warehouses   DuckDB files, held still while they are copied
    manifest     what is in a backup, with the SHA-256 of every file
    containers   the two forms: a `.tar.zst` file, and a folder
    creation     from a home to a backup
    restoring    from a backup to a home, and whether it could be

A backup or a restored home gets its name when it is complete. Killed before, it leaves a folder with a
name such as `.NAME.partial`; the next try takes its place.

Not here: PostgreSQL (`pg_dump`), buckets on S3 and GCS, which have versions of their own.
"""
