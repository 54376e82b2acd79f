"""The two partitions of beams: cases and treatment beams. Their keys come with the scan and the manifest.

A key is validated before it is added, for Dagster takes any text (`assets.beams.keys`).
"""

from typing import Final

import dagster as dg

beam_cases: Final = dg.DynamicPartitionsDefinition(name="beam_cases")
"""By the key of a case, `<case>`."""

beam_fields: Final = dg.DynamicPartitionsDefinition(name="beam_fields")
"""By the key of a treatment beam, `<case>|<treatment_index>`."""
