"""A process that materialises assets of a beam, for tests that interrupt or kill it.

python tests/assets/beams/launching_process.py HOME KEY ASSET...
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    from tests.assets.beams.launched_cases import Launches

    result = Launches(Path(sys.argv[1])).launch(sys.argv[3:], sys.argv[2])
    sys.exit(0 if result.success else 1)
