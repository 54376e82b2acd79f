"""The `object_store` resource: objects in buckets, in a directory, on S3 or on GCS.

    base            ObjectStore: the methods that pipelines call, and the hooks that a variant fills in
    directory       DirectoryObjectStore: what the two stores of files have in common
    local           LocalObjectStore: a folder of buckets (the `local` and `test` deployments)
    folder          FolderObjectStore: one folder as the only bucket, with nothing in it but the objects
    s3              S3ObjectStore, around dagster-aws' S3Resource; imported only where it is used
    gcs             GCSObjectStore, around dagster-gcp's GCSResource; imported only where it is used
    names           which buckets and keys are accepted
    values          ObjectInfo, ScanSource
    errors          what every variant raises
    files           durable renames and a walk that stays inside, for the directory
    digests         content digests of local files, remembered
    locks           exclusion between processes: of one write, and of a whole folder (`exclusive_folder`)
    ranged_reader   a seekable reader over byte ranges

What belongs here: how bytes get in and out. What does not: what a key means, and table formats.
"""

from resources.object_store.base import ObjectStore
from resources.object_store.errors import (
    AccessRefused,
    InvalidKey,
    ObjectNotFound,
    PreconditionFailed,
    StoreBusy,
    StoreUnavailable,
)
from resources.object_store.folder import FolderObjectStore
from resources.object_store.local import LocalObjectStore
from resources.object_store.locks import exclusive_folder
from resources.object_store.values import ObjectInfo, ScanSource

__all__ = [
    "AccessRefused",
    "FolderObjectStore",
    "InvalidKey",
    "LocalObjectStore",
    "ObjectInfo",
    "ObjectNotFound",
    "ObjectStore",
    "PreconditionFailed",
    "ScanSource",
    "StoreBusy",
    "StoreUnavailable",
    "exclusive_folder",
]
