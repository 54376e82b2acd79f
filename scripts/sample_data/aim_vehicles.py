"""Vehicles of the aim samples, the mapping that knows most of them, and what their buyers care about.

Not here: which tyres they wear (`aim_fitments`).
"""

from itertools import chain, zip_longest
from typing import Final

import numpy as np
import polars as pl

from scripts.sample_data.aim_draws import Stream, blanked, flags, stream

VEHICLE_SCHEMA: Final = {
    "make": pl.String,
    "model": pl.String,
    "kind": pl.String,  # A letter of `_KINDS`.
}

# Models in the order of their launch into this list: `=` begins the kind, see `_KINDS`.
_MODELS: Final = """\
FORD: FOCUS=f FIESTA=c KUGA=s TRANSIT=v TRANSIT CUSTOM=v PUMA=s MONDEO=e RANGER=o GALAXY=f MUSTANG=p KA=c
VW: GOLF=f POLO=c TIGUAN=s TRANSPORTER=v PASSAT=e UP!=c T-ROC=s CADDY=v TOUAREG=s CRAFTER=v ARTEON=e ID.3=f
VAUXHALL: CORSA=c ASTRA=f INSIGNIA=e MOKKA=s VIVARO=v ZAFIRA=f ADAM=c GRANDLAND X=s MERIVA=f MOVANO=v
BMW: 3 SERIES=e 1 SERIES=f 5 SERIES=e X5=s M3=p X1=s 2 SERIES GRAN TOURER=f 7 SERIES=e X3=s M135I=p Z4=p
AUDI: A4=e A3=f Q5=s A6=e TT=p RS 6=p Q3=s A1=c Q7=s A5 SPORTBACK=e R8=p
CITROËN: C3=c C4=f BERLINGO=v C1=c C5 AIRCROSS=s DISPATCH=v C4 PICASSO=f RELAY=v
ALFA ROMEO: GIULIA=e MITO=c GIULIETTA=f STELVIO=s 159=e 4C=p
LAND ROVER: DEFENDER 90=o DISCOVERY SPORT=s RANGE ROVER EVOQUE=s DEFENDER 110=o FREELANDER 2=s RANGE ROVER=s
MERCEDES-BENZ: C CLASS=e A CLASS=f VITO=v E CLASS=e SPRINTER=v GLC=s CLA=f AMG GT=p G CLASS=o
JEEP: WRANGLER=o RENEGADE=s GRAND CHEROKEE=s CHEROKEE=o COMPASS=s
NISSAN: QASHQAI=s MICRA=c NAVARA=o JUKE=s LEAF=f NV200=v 370Z=p X-TRAIL=s PRIMASTAR=v
TOYOTA: YARIS=c COROLLA=f RAV4=s HILUX=o AYGO=c PRIUS=f LAND CRUISER=o GT86=p PROACE=v AURIS=f
PEUGEOT: 208=c 308=f PARTNER=v 3008=s 107=c 508=e EXPERT=v 2008=s BOXER=v
RENAULT: CLIO=c MÉGANE=f TRAFIC=v CAPTUR=s TWINGO=c KADJAR=s MASTER=v SCÉNIC=f KANGOO=v
ŠKODA: OCTAVIA=f FABIA=c SUPERB=e KODIAQ=s CITIGO=c KAROQ=s YETI=s RAPID=f
SEAT: LEON=f IBIZA=c ATECA=s ALHAMBRA=f ARONA=s MII=c
HYUNDAI: i10=c i30=f TUCSON=s i20=c IONIQ=f SANTA FE=s ILOAD=v KONA=s
KIA: PICANTO=c CEE'D=f SPORTAGE=s RIO=c NIRO=s SORENTO=s STINGER=p EV6=s
HONDA: JAZZ=c CIVIC=f CR-V=s ACCORD=e CIVIC TYPE R=p HR-V=s
MAZDA: MX-5=p 3=f CX-5=s 2=c 6=e CX-3=s BT-50=o
FIAT: 500=c PANDA=c DUCATO=v 500X=s PUNTO=c TIPO=f DOBLÒ=v
MINI: HATCH=c COUNTRYMAN=s CLUBMAN=f CONVERTIBLE=c JOHN COOPER WORKS=p
VOLVO: XC60=s V40=f XC90=s V60=e S90=e XC40=s V70=e
JAGUAR: XF=e F-PACE=s XE=e F-TYPE=p XJ=e E-PACE=s
SUZUKI: SWIFT=c JIMNY=o VITARA=s IGNIS=c SX4 S-CROSS=s
MITSUBISHI: L200=o OUTLANDER=s ASX=s SHOGUN=o COLT=c
DACIA: SANDERO=c DUSTER=s LOGAN MCV=f JOGGER=f
PORSCHE: 911 CARRERA=p CAYENNE=s MACAN=s BOXSTER=p PANAMERA=e TAYCAN=e
TESLA: MODEL 3=e MODEL S=e MODEL Y=s MODEL X=s
LEXUS: IS=e CT=f RX=s NX=s UX=s LC=p
SMART: FORTWO=c FORFOUR=c
SUBARU: FORESTER=s IMPREZA=f OUTBACK=e BRZ=p
DS: 3=c 7 CROSSBACK=s 4=f
SSANGYONG: TIVOLI=s REXTON=o MUSSO=o
ISUZU: D-MAX=o
MG: ZS=s MG3=c HS=s MG5=f
CHEVROLET: SPARK=c AVEO=c CRUZE=f CAPTIVA=s
SAAB: 9-3=e 9-5=e
ROVER: 75=e 25=c
IVECO: DAILY=v
LOTUS: ELISE=p EXIGE=p
CUPRA: FORMENTOR=s BORN=f
ABARTH: 595=p
CHRYSLER: GRAND VOYAGER=f"""

_KINDS: Final = {  # Segment, Pod and Category
    "c": ("City", "Small Cars", "Hatchback"),
    "f": ("Family", "Small Cars", "Hatchback"),
    "e": ("Executive", "Large Cars", "Saloon"),
    "s": ("SUV", "Large Cars", "Crossover"),
    "o": ("Off-Road", "4x4 and Vans", "4x4"),
    "v": ("Van", "4x4 and Vans", "Commercial"),
    "p": ("Performance", "Large Cars", "Sports"),
}
_UNMAPPED_SHARE: Final = 0.03


def vehicles(count: int) -> pl.DataFrame:
    """As many vehicles, columns of `VEHICLE_SCHEMA`: the first model of every make, then the second ones.

    When all models are named, their later generations follow: `FOCUS MK2`.
    """
    columns = [
        [(make, model, kind) for model, _, kind in (part.rpartition("=") for part in _parts(models))]
        for make, _, models in (line.partition(": ") for line in _MODELS.splitlines())
    ]
    models = [row for row in chain.from_iterable(zip_longest(*columns)) if row is not None]
    rows = []
    for number in range(count):
        generation, place = divmod(number, len(models))
        make, model, kind = models[place]
        rows.append((make, f"{model} MK{generation + 1}" if generation else model, kind))
    return pl.DataFrame(rows, VEHICLE_SCHEMA, orient="row")


def _parts(models: str) -> list[str]:
    """`FOCUS=f TRANSIT CUSTOM=v` as `FOCUS=f` and `TRANSIT CUSTOM=v`: a kind is one letter."""
    ends = [place + 2 for place, letter in enumerate(models) if letter == "="]
    return [models[start:end].strip() for start, end in zip([0, *ends], ends, strict=False)]


def names(vehicles: pl.DataFrame) -> pl.Series:
    """`MAKE MODEL` of every vehicle."""
    return vehicles.select(pl.concat_str("make", "model", separator=" ").alias("vehicle")).to_series()


def vehicle_mapping(vehicles: pl.DataFrame, seed: int) -> pl.DataFrame:
    """`reference/vehicle_mapping.csv`: most vehicles, a few again in another spelling with another segment.

    About 3 % of the vehicles are not mapped. One row has no vehicle, which a reader leaves out.
    """
    rng = stream(seed, Stream.VEHICLES)
    segment, pod, category = (
        pl.col("kind").replace_strict({kind: words[place] for kind, words in _KINDS.items()})
        for place in range(3)
    )
    full = vehicles.select(
        vehicle=names(vehicles), CarMake="make", CarModel="model", Pod=pod, Category=category, Segment=segment
    )
    mapped = full.filter(~pl.Series(flags(rng, full.height, _UNMAPPED_SHARE)))
    again = mapped.filter(pl.Series(flags(rng, mapped.height, 0.02))).with_columns(
        pl.col("vehicle").str.to_lowercase(), Segment=pl.lit("Unsorted")
    )
    nameless = mapped.head(1).with_columns(vehicle=pl.lit(None, pl.String))
    return pl.concat([mapped, again, nameless])


def influence(vehicles: pl.DataFrame, seed: int) -> pl.DataFrame:
    """`reference/tyrescore_influence.csv`: what buyers look at, percent as text, for three vehicles in four.

    Some are glued like the scores' vehicles, some have blank percentages, and a few come twice.
    """
    rng = stream(seed, Stream.INFLUENCE)
    weights = rng.dirichlet([8, 5, 3, 3, 2], vehicles.height) * 100
    glued = pl.Series(flags(rng, vehicles.height, 0.3))
    columns = ("PRICE_pct", "GRADE_pct", "FUEL_pct", "WET_GRIP_pct", "AWARD_SCORE_pct")
    full = pl.DataFrame(
        {
            "Vehicle": names(vehicles).zip_with(~glued, vehicles["make"] + vehicles["model"]),
            "Segment": vehicles["kind"].replace_strict({kind: words[0] for kind, words in _KINDS.items()}),
            **{
                name: blanked(rng, pl.Series(np.round(weights[:, place], 1)).cast(pl.String), 0.03)
                for place, name in enumerate(columns)
            },
        }
    )
    known = full.filter(pl.Series(flags(rng, full.height, 0.75)))
    again = known.filter(pl.Series(flags(rng, known.height, 0.02))).with_columns(
        pl.col("Vehicle").str.to_lowercase(), PRICE_pct=pl.lit("100")
    )
    return pl.concat([known, again])
