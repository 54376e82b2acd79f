"""What `inv` runs here: `inv --list` names it all, `inv --help jobs.run` explains one.

Not here: the commands themselves (`scripts/discovery_cli`).
"""

from invoke.collection import Collection

from scripts.discovery_cli.commands import JOBS

namespace = Collection()
namespace.add_collection(JOBS)
