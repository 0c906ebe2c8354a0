"""ADE20K as published for the Scene Parsing Challenge of 2016 (section 6.2)."""

from functools import partial
from pathlib import Path
from typing import List, Optional, Tuple

from rnw.data.label_meaning import LabelMeaning
from rnw.data.picture_types import Pair
from rnw.data.sets.publication import Form, LabeledSplit
from rnw.data.sets.rows import (
    ZIP,
    RankingScore,
    SegmentationDataset,
    SubmissionForm,
    prepared_labeled,
)

_NAMES = """
wall; building, edifice; sky; floor, flooring; tree; ceiling; road, route; bed; windowpane,
window; grass; cabinet; sidewalk, pavement; person, individual, someone, somebody, mortal, soul;
earth, ground; door, double door; table; mountain, mount; plant, flora, plant life; curtain,
drape, drapery, mantle, pall; chair; car, auto, automobile, machine, motorcar; water; painting,
picture; sofa, couch, lounge; shelf; house; sea; mirror; rug, carpet, carpeting; field; armchair;
seat; fence, fencing; desk; rock, stone; wardrobe, closet, press; lamp; bathtub, bathing tub,
bath, tub; railing, rail; cushion; base, pedestal, stand; box; column, pillar; signboard, sign;
chest of drawers, chest, bureau, dresser; counter; sand; sink; skyscraper; fireplace, hearth, open
fireplace; refrigerator, icebox; grandstand, covered stand; path; stairs, steps; runway; case,
display case, showcase, vitrine; pool table, billiard table, snooker table; pillow; screen door,
screen; stairway, staircase; river; bridge, span; bookcase; blind, screen; coffee table, cocktail
table; toilet, can, commode, crapper, pot, potty, stool, throne; flower; book; hill; bench;
countertop; stove, kitchen stove, range, kitchen range, cooking stove; palm, palm tree; kitchen
island; computer, computing machine, computing device, data processor, electronic computer,
information processing system; swivel chair; boat; bar; arcade machine; hovel, hut, hutch, shack,
shanty; bus, autobus, coach, charabanc, double-decker, jitney, motorbus, motorcoach, omnibus,
passenger vehicle; towel; light, light source; truck, motortruck; tower; chandelier, pendant,
pendent; awning, sunshade, sunblind; streetlight, street lamp; booth, cubicle, stall, kiosk;
television receiver, television, television set, tv, tv set, idiot box, boob tube, telly, goggle
box; airplane, aeroplane, plane; dirt track; apparel, wearing apparel, dress, clothes; pole; land,
ground, soil; bannister, banister, balustrade, balusters, handrail; escalator, moving staircase,
moving stairway; ottoman, pouf, pouffe, puff, hassock; bottle; buffet, counter, sideboard; poster,
posting, placard, notice, bill, card; stage; van; ship; fountain; conveyer belt, conveyor belt,
conveyer, conveyor, transporter; canopy; washer, automatic washer, washing machine; plaything,
toy; swimming pool, swimming bath, natatorium; stool; barrel, cask; basket, handbasket; waterfall,
falls; tent, collapsible shelter; bag; minibike, motorbike; cradle; oven; ball; food, solid food;
step, stair; tank, storage tank; trade name, brand name, brand, marque; microwave, microwave oven;
pot, flowerpot; animal, animate being, beast, brute, creature, fauna; bicycle, bike, wheel, cycle;
lake; dishwasher, dish washer, dishwashing machine; screen, silver screen, projection screen;
blanket, cover; sculpture; hood, exhaust hood; sconce; vase; traffic light, traffic signal,
stoplight; tray; ashcan, trash can, garbage can, wastebin, ash bin, ash-bin, ashbin, dustbin,
trash barrel, trash bin; fan; pier, wharf, wharfage, dock; crt screen; plate; monitor, monitoring
device; bulletin board, notice board; shower; radiator; glass, drinking glass; clock; flag
"""
# The challenge's (color150.mat)
_COLORS = """
787878 b47878 06e6e6 503232 04c803 787850 8c8c8c cc05ff e6e6e6 04fa07 e005ff ebff07 96053d
787846 08ff33 ff0652 8fff8c ccff04 ff3307 cc4603 0066c8 3de6fa ff0633 0b66ff ff0747 ff09e0
0907e6 dcdcdc ff095c 7009ff 08ffd6 07ffe0 ffb806 0aff47 ff290a 07ffff e0ff08 6608ff ff3d06
ffc207 ff7a08 00ff14 ff0829 ff0599 0633ff eb0cff a09614 00a3ff 8c8c8c fa0a0f 14ff00 1fff00
ff1f00 ffe000 99ff00 0000ff ff4700 00ebff 00adff 1f00ff 0bc8c8 ff5200 00fff5 003dff 00ff70
00ff85 ff0000 ffa300 ff6600 c2ff00 008fff 33ff00 0052ff 00ff29 00ffad 0a00ff adff00 00ff99
ff5c00 ff00ff ff00f5 ff0066 ffad00 ff0014 ffb8b8 001fff 00ff3d 0047ff ff00cc 00ffc2 00ff52
000aff 0070ff 3300ff 00c2ff 007aff 00ffa3 ff9900 00ff0a ff7000 8fff00 5200ff a3ff00 ffeb00
08b8aa 8500ff 00ff5c b800ff ff001f 00b8ff 00d6ff ff0070 5cff00 00e0ff 70e0ff 46b8a0 a300ff
9900ff 47ff00 ff00a3 ffcc00 ff008f 00ffeb 85ff00 ff00eb f500ff ff007a fff500 0abed4 d6ff00
00ccff 1400ff ffff00 0099ff 0029ff 00ffcc 2900ff 29ff00 ad00ff 00f5ff 4700ff 7a00ff 00ffb8
005cff b8ff00 0085ff ffd600 19c2c2 66ff00 5c00ff
"""
CLASSES = tuple(" ".join(_NAMES.split()).split("; "))
PALETTE = tuple((red, green, blue) for red, green, blue in map(bytes.fromhex, _COLORS.split()))
LABEL_IDS = tuple(range(1, len(CLASSES) + 1))  # 0 is anything else
MEANING = LabelMeaning("ADE20K", LABEL_IDS, PALETTE)
_FOLDER, _TEST = "ADEChallengeData2016", "release_test"


def _pairs(split: str, root: Path) -> List[Pair]:
    pictures = sorted((root / _FOLDER / "images" / split).glob("*.jpg"))
    return [
        Pair(
            f"{_FOLDER}/images/{split}/{path.name}",
            f"{_FOLDER}/annotations/{split}/{path.stem}.png",
        )
        for path in pictures
    ]


def _test_pairs(root: Path) -> List[Pair]:
    pictures = sorted((root / _TEST / "testing").glob("*.jpg"))
    return [Pair(f"{_TEST}/testing/{path.name}", None) for path in pictures]


def _part(archive: str, md5: Optional[str], folder: str) -> Tuple[Form, ...]:
    return (Form(archive, md5, folder, (folder,), inside=f"{folder}/"),)


_TRAINVAL = _part("ADEChallengeData2016.zip", "7328b3957e407ddae1d3cbf487f149ef", _FOLDER)

PUBLISHED = {
    "train": LabeledSplit((_TRAINVAL,), partial(_pairs, "training")),
    "val": LabeledSplit((_TRAINVAL,), partial(_pairs, "validation")),
    "test": LabeledSplit((_part("release_test.zip", None, _TEST),), _test_pairs),
}

COMPOSED = {"trainval": ("train", "val")}

DATASET = SegmentationDataset(
    "ade20k",
    "ADE20K scene parsing",
    Path("data/ade20k"),
    CLASSES,
    PALETTE,
    prepared_labeled("ade20k", MEANING, COMPOSED),
    {"train": 20_210, "val": 2000, "test": 3352},  # section 6.2
    (2100, 2100),  # the original's bound
    recipe="ade20k",
    test_size=500,  # the original's README
    label_ids=LABEL_IDS,
    meaning=MEANING,
    publication=PUBLISHED,
    composed=COMPOSED,
    submission=SubmissionForm("", ZIP, palette=False),  # plain gray pictures
    ranking_score=RankingScore("score of ADE20K", "ade20k_score"),
)
