"""The `spark` resource: a session on one of three engines, and how files pass between it and the store.

    session         Spark: the resource, and the session of one run
    engines         what each engine needs to start, and what is missing where it cannot
    sail_server     the server of the engine sail, in a child process
    retries         which failed calls to it are made again
    files           EngineFiles: stored objects that an engine reads, files of an engine that become objects

Every engine runs the same DataFrame code: `sail` (in a child process, no Java), `jvm` (`local[*]`, or the
session of the platform that runs this process), `connect` (a Spark Connect server elsewhere). Not here: what
is computed, and where a job runs (`resources.compute`).
"""

from resources.spark.engines import ENGINES, Engine, SparkMissing
from resources.spark.files import EngineFiles, Written
from resources.spark.session import ENGINE_TAG, Spark

__all__ = ["ENGINES", "ENGINE_TAG", "Engine", "EngineFiles", "Spark", "SparkMissing", "Written"]
