# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words and grammar helpers of the text generator.

All people, towns and rivers are invented.  The helpers keep the prose
grammatical: articles, plurals, pronouns, numbers in words, clock times.
"""

import re

# name -> pronoun set
SHE = ("she", "her", "her", "herself")
HE = ("he", "him", "his", "himself")

PEOPLE = {
    "Tilla": SHE, "Wenna": SHE, "Pirra": SHE, "Olwy": SHE, "Sunna": SHE, "Maribo": SHE,
    "Kessa": SHE, "Brisa": SHE, "Nelli": SHE, "Yola": SHE, "Dapple": SHE, "Fenny": SHE,
    "Bramo": HE, "Jorro": HE, "Oskin": HE, "Pell": HE, "Tobbin": HE, "Dorn": HE,
    "Lumo": HE, "Hask": HE, "Rindo": HE, "Garrel": HE, "Wick": HE, "Emmo": HE,
}

JOBS = ["baker", "miller", "fisher", "gardener", "teacher", "carpenter", "weaver", "sailor",
        "potter", "shepherd", "clockmaker", "painter", "beekeeper", "librarian", "smith",
        "ferry keeper", "cook", "glassmaker", "letter carrier", "tailor"]

# The invented world.  Facts stay the same in every text, so they can be learned.
# town -> (region, river, product, animal of the flag, colour of the roofs, market day,
#          number of bridges, year of foundation)
TOWNS = {
    "Harlow Bay": ("the Salt Coast", "the Orrin", "smoked fish", "heron", "blue", "Monday", 3, 1212),
    "Quill": ("the High Meadows", "the Little Wend", "sheep cheese", "ram", "grey", "Tuesday", 2, 1340),
    "Emberton": ("the Copper Hills", "the Wend", "copper bells", "fox", "red", "Wednesday", 5, 1104),
    "Mossgate": ("the Green Wood", "the Tarn", "honey", "badger", "green", "Thursday", 4, 1275),
    "Lantern": ("the Salt Coast", "the Orrin", "glass lamps", "owl", "yellow", "Friday", 7, 1061),
    "Brook End": ("the High Meadows", "the Little Wend", "wool blankets", "hare", "brown", "Saturday", 1, 1408),
    "Stonewick": ("the Copper Hills", "the Wend", "millstones", "eagle", "black", "Sunday", 6, 1150),
    "Fernhollow": ("the Green Wood", "the Tarn", "wooden toys", "squirrel", "green", "Monday", 2, 1322),
    "Palewater": ("the Lake Country", "the Sill", "paper", "swan", "white", "Tuesday", 9, 1188),
    "Ninewells": ("the Lake Country", "the Sill", "apple juice", "otter", "orange", "Friday", 8, 1233),
}
REGIONS = {
    "the Salt Coast": ("west", "windy", "the sea", "fishing"),
    "the High Meadows": ("north", "cool", "wide grass", "keeping sheep"),
    "the Copper Hills": ("east", "dry", "steep hills", "mining"),
    "the Green Wood": ("south", "damp", "tall trees", "cutting wood"),
    "the Lake Country": ("middle", "mild", "still lakes", "growing apples"),
}
# river -> (source, mouth, length in miles)
RIVERS = {
    "the Orrin": ("Mount Sorrel", "the sea", 90),
    "the Little Wend": ("the Cold Spring", "the Wend", 30),
    "the Wend": ("Mount Ember", "Lake Amary", 120),
    "the Tarn": ("the Moss Pools", "the Sill", 45),
    "the Sill": ("Lake Amary", "the sea", 75),
}

# noun -> (plural, adjectives that suit it)
OBJECTS = {
    "key": ("keys", ["small", "rusty", "silver", "golden", "old"]),
    "lamp": ("lamps", ["bright", "glass", "old", "green", "broken"]),
    "book": ("books", ["thick", "old", "red", "dusty", "heavy"]),
    "coin": ("coins", ["silver", "golden", "shiny", "round", "old"]),
    "rope": ("ropes", ["long", "strong", "thin", "new", "wet"]),
    "basket": ("baskets", ["large", "empty", "round", "brown", "small"]),
    "hat": ("hats", ["black", "tall", "green", "warm", "woollen"]),
    "bell": ("bells", ["copper", "loud", "little", "shiny", "old"]),
    "map": ("maps", ["torn", "old", "large", "secret", "yellow"]),
    "kite": ("kites", ["red", "blue", "paper", "long", "bright"]),
    "drum": ("drums", ["loud", "small", "round", "painted", "new"]),
    "spoon": ("spoons", ["wooden", "silver", "long", "little", "clean"]),
    "umbrella": ("umbrellas", ["black", "wet", "large", "broken", "blue"]),
    "apron": ("aprons", ["white", "clean", "old", "blue", "long"]),
    "ladder": ("ladders", ["long", "wooden", "heavy", "old", "strong"]),
    "clock": ("clocks", ["old", "loud", "wooden", "slow", "round"]),
    "flute": ("flutes", ["wooden", "silver", "thin", "little", "old"]),
    "blanket": ("blankets", ["warm", "woollen", "soft", "grey", "thick"]),
    "box": ("boxes", ["wooden", "heavy", "locked", "little", "empty"]),
    "ring": ("rings", ["golden", "silver", "thin", "shiny", "old"]),
    "boat": ("boats", ["small", "wooden", "fast", "white", "painted"]),
    "letter": ("letters", ["long", "secret", "short", "folded", "kind"]),
    "button": ("buttons", ["round", "blue", "shiny", "little", "lost"]),
    "egg": ("eggs", ["brown", "white", "large", "fresh", "speckled"]),
}
CONTAINERS = ["box", "basket", "drawer", "cupboard", "chest", "bag", "bucket", "jar"]
ROOMS = ["kitchen", "garden", "attic", "cellar", "hall", "workshop", "barn", "library"]
PLACES = [("the old mill", "at"), ("the harbour", "at"), ("the market", "at"), ("the forest", "in"),
          ("the garden", "in"), ("the bridge", "at"), ("the lake", "at"), ("the library", "in"),
          ("the school", "at"), ("the tower", "in"), ("the meadow", "in"), ("the bakery", "in"),
          ("the orchard", "in"), ("the lighthouse", "at"), ("the village square", "in")]
ANIMALS = {
    "cat": ("cats", "meowed", "fish", "house"), "dog": ("dogs", "barked", "bones", "yard"),
    "goat": ("goats", "bleated", "leaves", "hill"), "duck": ("ducks", "quacked", "bread", "pond"),
    "hen": ("hens", "clucked", "corn", "barn"), "horse": ("horses", "snorted", "hay", "stable"),
    "owl": ("owls", "hooted", "mice", "tower"), "frog": ("frogs", "croaked", "flies", "pond"),
    "donkey": ("donkeys", "brayed", "carrots", "stable"), "sheep": ("sheep", "bleated", "grass", "meadow"),
    "goose": ("geese", "hissed", "grass", "river"), "crow": ("crows", "cawed", "seeds", "oak tree"),
}
ANIMAL_NAMES = ["Button", "Pepper", "Thistle", "Mud", "Biscuit", "Cloud", "Pebble", "Nutmeg", "Star", "Whistle"]
FEELINGS = ["happy", "proud", "tired", "hungry", "curious", "worried", "glad", "surprised", "calm", "cold"]
COLOURS = ["red", "blue", "green", "yellow", "white", "black", "brown", "grey", "orange", "purple"]
FRUITS = {"apple": "apples", "pear": "pears", "plum": "plums", "cherry": "cherries", "lemon": "lemons",
          "nut": "nuts", "peach": "peaches", "berry": "berries", "orange": "oranges", "fig": "figs"}
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August",
          "September", "October", "November", "December"]
SEASON = {0: "winter", 1: "winter", 2: "spring", 3: "spring", 4: "spring", 5: "summer",
          6: "summer", 7: "summer", 8: "autumn", 9: "autumn", 10: "autumn", 11: "winter"}
ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
        "eighteen", "nineteen"]
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh"]


def number(n):
    """Number in words, 0 to 999."""
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10] + ("-" + ONES[n % 10] if n % 10 else "")
    rest = n % 100
    return ONES[n // 100] + " hundred" + (" and " + number(rest) if rest else "")


def a(phrase):
    """Phrase with its indefinite article."""
    return ("an " if phrase[0].lower() in "aeiou" else "a ") + phrase


def cap(text):
    """Text with a capital first letter."""
    return text[:1].upper() + text[1:]


def listing(items, last="and"):
    """`x, y and z`."""
    items = list(items)
    if len(items) == 1:
        return items[0]
    return ", ".join(items[:-1]) + " " + last + " " + items[-1]


def clock(hour, quarter):
    """Clock time in words; quarter is 0 to 3."""
    hour = (hour - 1) % 12 + 1
    following = hour % 12 + 1
    return [number(hour) + " o'clock", "a quarter past " + number(hour),
            "half past " + number(hour), "a quarter to " + number(following)][quarter]


_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")


def fill(rng, template, **slots):
    """Expand `[one|other]` choices (they nest) and `{slot}` references.

    A slot written with a capital first letter (`{She}`) takes the value of
    the lower-case slot with its first letter raised.
    """
    while True:
        expanded = _CHOICE.sub(lambda m: rng.choice(m.group(1).split("|")), template)
        if expanded == template:
            break
        template = expanded

    def value(match):
        key = match.group(1)
        if key in slots:
            return str(slots[key])
        return cap(str(slots[key[0].lower() + key[1:]]))

    text = _SLOT.sub(value, template)
    text = re.sub(r"  +", " ", text)
    # a sentence begins with a capital letter
    return re.sub(r"(^|[.!?] |\.\" )(\"?)([a-z])", lambda m: m.group(1) + m.group(2) + m.group(3).upper(), text)


class Person:
    """A character with a name, pronouns and a job."""

    def __init__(self, rng, taken=()):
        self.name = rng.choice([n for n in PEOPLE if n not in taken])
        self.she, self.her, self.hers, self.herself = PEOPLE[self.name]
        self.job = rng.choice(JOBS)

    def slots(self, suffix=""):
        return {"name" + suffix: self.name, "she" + suffix: self.she, "her" + suffix: self.her,
                "hers" + suffix: self.hers, "self" + suffix: self.herself, "job" + suffix: self.job}
