"""The TPS file of the worked example, and a reader that shares nothing with the one under test."""

EXAMPLE = """\
GPUID 0
RandomSeed 433038655
UseAbsolutePath true
TotalThreads -1
MaxHistoriesPerBatch 10000000
Verbosity 0

ParentDir /data/out/G2/QA000001/Log_csv
DicomPath /data/out/G2/QA000001/Log_csv/plan
DicomDir plan
logFilePath /data/out/G2/QA000001/Log_csv/log

GantryNum 2
BeamNumbers 2

UsingPhantomGeo true
TwoCentimeterMode true

PhantomDimX 400
PhantomDimY 400
PhantomDimZ 400
PhantomUnitX 1
PhantomUnitY 1
PhantomUnitZ 1
PhantomPositionX -200.0
PhantomPositionY -200.0
PhantomPositionZ -380.0

Scorer Dose
SupressStd true
ReadStructure true
BodyContourName External

SourceType FluenceMap
SimulationType perBeam
NormalizeTotalHistories 500000000

ScoreToCTGrid true
OutputDir /data/out/G2/QA000001/Dose/002_F2_A_P
OutputFormat raw
OverwriteResults true

EnableBeamLayerMultiGpu false
BeamLayerMultiGpuAllowedGpuIds\x20
BeamLayerMultiGpuMaxWorkers 0
BeamLayerMultiGpuTempRoot /data/out/G2/QA000001/Dose/.tmp/002_F2_A_P
"""


def example_values() -> dict[str, str]:
    """The values of the worked example, by key as the engine spells it."""
    lines = (line.partition(" ") for line in EXAMPLE.split("\n") if line)
    return {key: value for key, _, value in lines}


def engine_view(text: str) -> dict[str, str]:
    """What the engine sees: comments cut, first blank separates, first occurrence wins, keys in any case."""
    seen: dict[str, str] = {}
    for line in text.split("\n"):
        meant = line.split("#")[0]
        if meant:
            blank = meant.index(" ")
            key = meant[:blank].casefold()
            if key not in seen:
                seen[key] = meant[blank + 1 :]
    return seen
