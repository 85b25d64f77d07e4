# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of the generator that hold knowledge: the invented world, numbers,
times, recipes, lists, instructions and comparisons.

The facts never contradict each other: towns and rivers come from the tables in
`lexicon.py`, sums and times are computed.
"""

from lexicon import (ANIMALS, COLOURS, CONTAINERS, DAYS, FRUITS, JOBS, MONTHS, OBJECTS, ORDINALS, PLACES,
                     REGIONS, RIVERS, SEASON, TOWNS, Person, a, cap, clock, fill, listing, number)


def _town_slots(town):
    region, river, product, animal, roofs, market, bridges, year = TOWNS[town]
    side, climate, scenery, work = REGIONS[region]
    source, mouth, miles = RIVERS[river]
    return dict(town=town, region=region, river=river, product=product, animal=animal, an_animal=a(animal),
                roofs=roofs, market=market, bridges=number(bridges), bridge="bridge" if bridges == 1 else "bridges",
                year=str(year), side=side, climate=climate, scenery=scenery, work=work, source=source, mouth=mouth,
                miles=number(miles))


def town_article(rng):
    """An article about a town, like one in an encyclopedia for children."""
    town = rng.choice(list(TOWNS))
    slots = _town_slots(town)
    others = [t for t in TOWNS if TOWNS[t][0] == slots["region"] and t != town]
    slots["others"] = listing(others) if others else "no other town"
    first = "{town} is a town in {region}[, in the {side} of the land|]."
    facts = [
        "[The town lies on {river}.|It stands on the bank of {river}.|The river {river_bare} flows through {town}.]",
        "[{town} is known for its {product}.|The people of {town} make {product}.|"
        "The best {product} in the land [comes|come] from {town}.]".replace(
            "[comes|come]", "come" if slots["product"].endswith("s") or slots["product"] == "smoked fish" else "comes"),
        "[The flag of {town} shows {an_animal}.|There is {an_animal} on its flag.]",
        "[The roofs of the town are {roofs}.|All houses have {roofs} roofs.|From far away one sees its {roofs} roofs.]",
        "[The market is held on {market}.|Every {market} is market day.|On {market} the farmers come to the market.]",
        "[{town} has {bridges} {bridge}.|There [is|are] {bridges} {bridge} in the town.]".replace(
            "[is|are]", "is" if slots["bridges"] == "one" else "are"),
        "[It was founded in the year {year}.|The town was founded in {year}.|It is an old town, founded in {year}.]",
        "[The weather is mostly {climate}.|In {region} the weather is {climate}.]",
        "[Many people live from {work}.|In {region} most people live from {work}.]",
        "[Another town in {region} is {others}.|{others} lies in the same region.]",
    ]
    slots["river_bare"] = slots["river"].replace("the ", "", 1)
    rng.shuffle(facts)
    return " ".join(fill(rng, s, **slots) for s in [first] + facts[:rng.randint(4, 9)])


def river_article(rng):
    """An article about a river."""
    river = rng.choice(list(RIVERS))
    source, mouth, miles = RIVERS[river]
    towns = [t for t in TOWNS if TOWNS[t][1] == river]
    others = [r for r in RIVERS if r != river]
    other = rng.choice(others)
    slots = dict(river=river, source=source, mouth=mouth, miles=number(miles), towns=listing(towns), n=number(len(towns)),
                 other=other, longer="longer" if miles > RIVERS[other][2] else "shorter",
                 diff=number(abs(miles - RIVERS[other][2])))
    facts = ["[It is {miles} miles long.|From its source to its end it is {miles} miles long.]",
             "[On its banks lie {towns}.|{n} towns lie on it: {towns}.]",
             "[It is {diff} miles {longer} than {other}.|{Other} is not as long.|]" if miles > RIVERS[other][2]
             else "It is {diff} miles {longer} than {other}.",
             "[Boats go up and down all year.|In winter there is ice on the water.|Many fish live in it.|]"]
    rng.shuffle(facts)
    return " ".join([fill(rng, "{River} is a river. [It begins at {source} and flows into {mouth}.|"
                          "It comes from {source} and ends in {mouth}.]", **slots)]
                    + [t for t in (fill(rng, s, **slots).strip() for s in facts) if t])


def quiz(rng):
    """Questions and answers about the world."""
    lines = []
    towns = rng.sample(list(TOWNS), rng.randint(3, 6))
    for town in towns:
        slots = _town_slots(town)
        q, answer = rng.choice([
            ("Which river flows through {town}?", "[{River}.|{River} flows through {town}.]"),
            ("What is {town} known for?", "[For its {product}.|{town} is known for {product}.]"),
            ("Which animal is on the flag of {town}?", "[{An_animal}.|The {animal}.]"),
            ("What colour are the roofs of {town}?", "[They are {roofs}.|{Roofs}.]"),
            ("When is market day in {town}?", "[On {market}.|Market day is {market}.]"),
            ("How many bridges does {town} have?", "[{Bridges}.|It has {bridges} {bridge}.]"),
            ("When was {town} founded?", "[In {year}.|It was founded in {year}.]"),
            ("Where is {town}?", "[In {region}.|{town} is in {region}.]"),
            ("Where does the river of {town} begin?", "[At {source}.|{River} begins at {source}.]"),
        ])
        lines.append("Question: " + fill(rng, q, **slots) + "\nAnswer: " + fill(rng, answer, **slots))
    return "\n".join(lines)


def arithmetic(rng):
    """Sums in words or figures."""
    lines = []
    kind = rng.randrange(3)
    for _ in range(rng.randint(4, 9)):
        op = rng.randrange(4)
        if op == 0:
            x, y = rng.randint(0, 20), rng.randint(0, 20)
            r, word, sign = x + y, "plus", "+"
        elif op == 1:
            x = rng.randint(1, 30)
            y = rng.randint(0, x)
            r, word, sign = x - y, "minus", "-"
        elif op == 2:
            x, y = rng.randint(1, 10), rng.randint(1, 10)
            r, word, sign = x * y, "times", "x"
        else:
            y, r = rng.randint(1, 10), rng.randint(1, 10)
            x, word, sign = y * r, "divided by", "/"
        if kind == 0:
            lines.append(cap("%s %s %s is %s." % (number(x), word, number(y), number(r))))
        elif kind == 1:
            lines.append("%d %s %d = %d" % (x, sign, y, r))
        else:
            lines.append("What is %s %s %s? It is %s." % (number(x), word, number(y), number(r)))
    return (" " if kind == 0 else "\n").join(lines)


def word_problem(rng):
    """A small problem with fruit that is solved."""
    one = Person(rng)
    two = Person(rng, (one.name,))
    fruit = FRUITS[rng.choice(list(FRUITS))]
    x, y, z = rng.randint(5, 20), rng.randint(2, 15), rng.randint(1, 4)
    slots = dict(one.slots(), **two.slots("2"), fruit=fruit, x=number(x), y=number(y), z=number(z), container=rng.choice(CONTAINERS))
    kind = rng.randrange(3)
    if kind == 0:
        slots["r"], slots["s"] = number(x + y), number(x + y - z)
        return fill(rng, "{name} has {x} {fruit}. {name2} gives {her} {y} {fruit} more. {x} plus {y} is {r}, so "
                    "{name} has {r} {fruit} now. [In the evening {she} eats {z} of them. {r} minus {z} is {s}. Then {she} has {s} {fruit} left.|]",
                    **slots).strip()
    if kind == 1:
        k, per = rng.randint(2, 6), rng.randint(2, 9)
        slots.update(k=number(k), per=number(per), r=number(k * per))
        return fill(rng, "{name} has {k} [friends|children]. Every one of them gets {per} {fruit}. [How many {fruit} does {she} need?|"
                    "How many {fruit} are that?] {k} times {per} is {r}. {She} needs {r} {fruit}.", **slots)
    y = rng.randint(1, x - 2)
    slots.update(y=number(y), r=number(x - y))
    return fill(rng, "There are {x} {fruit} in the {container}. {name} takes {y} of them. How many {fruit} are left? "
                "{x} minus {y} is {r}, so {r} {fruit} are left.", **slots) if x - y > 1 else fill(rng, "{x} {fruit} are in the {container}.", **slots)


def counting(rng):
    """Counting songs and series."""
    kind = rng.randrange(4)
    if kind == 0:
        start, step = rng.randint(0, 12), rng.choice([1, 2, 3, 5, 10])
        terms = [start + step * i for i in range(rng.randint(6, 12))]
        if rng.random() < 0.5:
            return "Count in steps of %s: %s." % (number(step), ", ".join(number(t) for t in terms))
        return "Count in steps of %d: %s." % (step, ", ".join(str(t) for t in terms))
    if kind == 1:
        n, animal = rng.randint(3, 6), rng.choice(list(ANIMALS))
        plural = ANIMALS[animal][0]
        place = rng.choice(PLACES)
        lines = []
        for i in range(n, 0, -1):
            rest = i - 1
            lines.append("%s little %s sat %s %s.\nOne went away, and then there %s %s." % (
                cap(number(i)), plural if i > 1 else animal, place[1], place[0],
                "was" if rest == 1 else "were", number(rest) if rest else "none"))
        return "\n".join(lines)
    if kind == 2:
        start = rng.randrange(7)
        return fill(rng, "The days of the week, from {d}, are {all}. [Today is {d}, so tomorrow is {t} and yesterday was {y}.|"
                    "The day after {d} is {t}.|Before {d} comes {y}.]", d=DAYS[start],
                    all=listing(DAYS[start:] + DAYS[:start]), t=DAYS[(start + 1) % 7], y=DAYS[start - 1])
    m = rng.randrange(12)
    return fill(rng, "{m} is a month in {s}. After {m} comes {n}, and before it was {p}. [{k} months later it is {l}.|]",
                m=MONTHS[m], s=SEASON[m], n=MONTHS[(m + 1) % 12], p=MONTHS[m - 1], k="three",
                l=MONTHS[(m + 3) % 12]).strip()


def timetable(rng):
    """A boat or coach on its way; the times are computed."""
    towns = rng.sample(list(TOWNS), rng.randint(3, 5))
    t = rng.randint(5, 9) * 4 + rng.randrange(4)
    thing = rng.choice(["boat", "coach", "mail cart"])
    day = rng.choice(DAYS)
    lines = ["The %s on %s:" % (thing, day)]
    times = []
    for i, town in enumerate(towns):
        times.append(t)
        lines.append("%d:%02d %s" % (t // 4, t % 4 * 15, town))
        t += rng.randint(2, 9)
    lines.append("The %s leaves %s at %s and comes to %s at %s." % (
        thing, towns[0], clock(times[0] // 4, times[0] % 4), towns[-1], clock(times[-1] // 4, times[-1] % 4)))
    minutes = (times[1] - times[0]) * 15
    lines.append("From %s to %s it needs %s minutes." % (towns[0], towns[1], number(minutes)))
    return "\n".join(lines)


RECIPES = {
    # dish -> (vessel, base ingredients, things to choose from, heat, minutes, how to serve)
    "soup": ("pot", ["water", "salt"], ["carrots", "onions", "potatoes", "beans", "leeks", "mushrooms", "peas", "barley"],
             "cook", (20, 60), ["with bread", "in deep plates", "hot"]),
    "cake": ("bowl", ["flour", "sugar", "butter", "eggs"], ["apples", "plums", "cherries", "nuts", "pears", "honey", "lemons", "berries"],
             "bake", (30, 60), ["with cream", "with tea", "cold"]),
    "bread": ("bowl", ["flour", "water", "salt", "yeast"], ["seeds", "nuts", "onions", "herbs", "oats", "olives"],
              "bake", (40, 70), ["with butter", "with cheese", "warm"]),
    "pie": ("dish", ["flour", "butter", "salt"], ["apples", "mushrooms", "leeks", "fish", "cheese", "plums", "potatoes", "peas"],
            "bake", (30, 50), ["hot", "with a green salad", "with cream"]),
    "stew": ("pot", ["water", "salt", "oil"], ["beans", "carrots", "fish", "onions", "cabbage", "tomatoes", "herbs", "potatoes"],
             "cook", (40, 90), ["with rice", "with bread", "in deep plates"]),
    "porridge": ("pot", ["milk", "oats"], ["honey", "apples", "nuts", "berries", "pears", "figs"],
                 "cook", (5, 15), ["with sugar", "warm", "in a small bowl"]),
}
AMOUNT = {"water": "a litre of", "milk": "a litre of", "salt": "a spoon of", "sugar": "a cup of", "flour": "{n} cups of",
          "butter": "some", "eggs": "{n}", "yeast": "a little", "oil": "{n} spoons of", "oats": "{n} cups of",
          "honey": "{n} spoons of", "herbs": "a handful of", "seeds": "a handful of", "fish": "some", "cheese": "a piece of",
          "barley": "a cup of", "cabbage": "half a head of", "cream": "a cup of"}


def recipe(rng):
    """A recipe: the steps use just the ingredients of its list."""
    dish = rng.choice(list(RECIPES))
    vessel, base, extra, heat, (lo, hi), serve = RECIPES[dish]
    chosen = rng.sample(extra, rng.randint(1, 3))
    singular = {"carrots": "carrot", "onions": "onion", "potatoes": "potato", "beans": "bean", "leeks": "leek",
                "mushrooms": "mushroom", "peas": "pea", "apples": "apple", "plums": "plum", "cherries": "cherry",
                "nuts": "nut", "pears": "pear", "lemons": "lemon", "berries": "berry", "olives": "olive",
                "tomatoes": "tomato", "figs": "fig", "seeds": "seed", "herbs": "herb", "oats": "oat"}
    title = cap(singular.get(chosen[0], chosen[0]) + " " + dish)
    lines = [title, "You need:"]
    for item in base + chosen:
        amount = AMOUNT.get(item, "{n}").replace("{n}", number(rng.randint(2, 6)))
        lines.append("- %s %s" % (amount, item))
    minutes = rng.randrange(lo, hi + 1, 5)
    steps = []
    if vessel == "pot":
        steps.append("Put the %s in a pot and heat it." % base[0] if dish != "stew" else "Heat the oil in a pot.")
    else:
        steps.append("Mix the %s in a %s." % (listing(base), vessel))
    for item in chosen:
        if item in ("honey", "cheese", "barley", "fish", "seeds", "herbs", "oats", "beans", "peas", "berries", "cabbage"):
            steps.append(rng.choice(["Add the %s.", "Then put in the %s."]) % item)
        else:
            steps.append(rng.choice(["Cut the %s and add them.", "Wash the %s, cut them and put them in."]) % item)
    if vessel == "pot":
        rest = [b for b in base[1:] if not (dish == "stew" and b == "oil")]
        if dish == "stew":
            rest = ["water", "salt"]
        steps.append("Add the %s and stir." % listing(rest))
        steps.append("Cook %s for %s minutes." % (rng.choice(["it", "the " + dish]), number(minutes)))
    else:
        steps.append("Bake %s in the oven for %s minutes." % (rng.choice(["it", "the " + dish]), number(minutes)))
    steps.append("Serve the %s %s." % (dish, rng.choice(serve)))
    if rng.random() < 0.6:
        lines += ["%d. %s" % (i + 1, s) for i, s in enumerate(steps)]
    else:
        lines.append(" ".join(steps))
    return "\n".join(lines)


def comparison(rng):
    """Three people in an order; the conclusions follow from it."""
    names = []
    for _ in range(3):
        names.append(Person(rng, names).name)
    more, less, most, least = rng.choice([
        ("taller", "shorter", "tallest", "shortest"), ("older", "younger", "oldest", "youngest"),
        ("faster", "slower", "fastest", "slowest"), ("stronger", "weaker", "strongest", "weakest")])
    x, y, z = names
    lines = ["%s is %s than %s." % (x, more, y) if rng.random() < 0.5 else "%s is %s than %s." % (y, less, x),
             "%s is %s than %s." % (y, more, z) if rng.random() < 0.5 else "%s is %s than %s." % (z, less, y)]
    rng.shuffle(lines)
    ends = ["So %s is %s than %s." % (x, more, z), "So %s is the %s of the three." % (x, most),
            "So %s is the %s of the three." % (z, least), "Who is the %s? It is %s." % (most, x),
            "Who is the %s? It is %s." % (least, z), "Is %s %s than %s? No, %s is %s." % (z, more, x, z, less)]
    return " ".join(lines + rng.sample(ends, rng.randint(1, 3)))


def inventory(rng):
    """What a box holds, and the same again sorted or counted."""
    owner = Person(rng)
    things = rng.sample([n for n in OBJECTS], rng.randint(3, 5))
    counts = [rng.randint(1, 9) for _ in things]
    container = rng.choice([c for c in CONTAINERS if c not in things])
    parts = [number(c) + " " + (OBJECTS[t][0] if c > 1 else t) for t, c in zip(things, counts)]
    lines = ["In the %s of %s there %s %s." % (container, owner.name, "is" if counts[0] == 1 else "are", listing(parts))]
    end = rng.randrange(3)
    if end == 0:
        lines.append("In the order of the alphabet: " + ", ".join(sorted(OBJECTS[t][0] for t in things)) + ".")
    elif end == 1:
        lines.append("All together these are %s things." % number(sum(counts)))
    else:
        best = max(counts)
        if counts.count(best) == 1:
            thing = things[counts.index(best)]
            lines.append("Of the %s %s has the most: %s." % (OBJECTS[thing][0], owner.she, number(best)) if best > 1 else "")
        lines.append("There is no %s in the %s." % (rng.choice([n for n in OBJECTS if n not in things]), container))
    return " ".join(line for line in lines if line)


HOWTO = {
    "make a kite": ["Take two thin sticks and tie them to a cross.", "Stretch the paper over the cross.",
                    "Fix a long tail at the bottom.", "Tie a string to the middle.", "Wait for a windy day and run."],
    "plant a tree": ["Dig a deep hole.", "Fill some water into the hole.", "Set the young tree in the middle.",
                     "Put the earth back and press it down.", "Water the tree every evening."],
    "light a lamp": ["Fill the lamp with oil.", "Cut the end of the wick.", "Light the wick with a match.",
                     "Put the glass back on the lamp.", "Turn the flame down when you leave."],
    "wash a blanket": ["Fill a tub with warm water.", "Add some soap.", "Press the blanket with both hands.",
                       "Rinse it in clear water.", "Hang it in the sun until it is dry."],
    "repair a ladder": ["Look for the broken step.", "Cut a new step from strong wood.", "Pull the old step out.",
                        "Drive the new step in with a hammer.", "Test the ladder before you climb."],
    "find the north": ["Wait until the sky is clear.", "Look for the bright star over the mill.",
                       "Turn your face to the star.", "Now the north is before you and the south behind you.",
                       "The east is at your right hand, and the west at your left."],
    "catch a fish": ["Find a calm place at the river.", "Put some bread on the hook.", "Throw the line into the water.",
                     "Sit still and wait.", "Pull slowly when the line moves."],
    "milk a goat": ["Give the goat some hay.", "Sit down at its side.", "Put a clean bucket under the goat.",
                    "Milk it slowly with both hands.", "Carry the milk to the cellar."],
    "read a map": ["Lay the map on a table.", "Turn it until the north is up.", "Look for the town where you are.",
                   "Follow the road with your finger.", "Count the miles to your goal."],
    "send a letter": ["Write the letter in clear words.", "Fold the paper twice.", "Put it in a cover.",
                      "Write the name and the town on it.", "Give it to the letter carrier before noon."],
}


def how_to(rng):
    """Instructions in order, in one of several forms."""
    task = rng.choice(list(HOWTO))
    steps = HOWTO[task]
    person = Person(rng)
    form = rng.randrange(3)
    if form == 0:
        return "How to %s\n" % task + "\n".join("%d. %s" % (i + 1, s) for i, s in enumerate(steps))
    words = ["First", "Then", "After that", "Next", "At last"]
    body = " ".join("%s, %s" % (w, s[0].lower() + s[1:]) for w, s in zip(words, steps))
    if form == 1:
        return "\"How do I %s?\" asked %s.\n\"That is easy,\" said the %s. \"%s\"" % (task, person.name, rng.choice(JOBS), body)
    i = rng.randrange(len(steps))
    return "This is how you %s. %s\nWhat is the %s step? %s" % (task, body, ORDINALS[i], steps[i])


RHYMES = [("tree", "sea", "free", "me"), ("night", "light", "bright", "white"), ("day", "way", "play", "grey"),
          ("hill", "mill", "still", "will"), ("town", "brown", "down", "crown"), ("rain", "lane", "again", "grain")]
VERSE = {
    "tree": "There stands a {c} and {d} tree", "sea": "that looks upon the {c} sea", "free": "where all the {p} run {e} and free",
    "me": "and one of them belongs to me", "night": "The {p} are sleeping in the night", "light": "beside a small and {c} light",
    "bright": "the stars above are {e} and bright", "white": "and all the roofs are {e} and white", "day": "The {p} are singing all the day",
    "way": "and I am walking on my way", "play": "the {p} come out to sing and play", "grey": "although the sky is {e} and grey",
    "hill": "I know a {c} and {d} hill", "mill": "and on its top a {c} mill", "still": "where {p} are always {e} and still",
    "will": "and if you look, then find it you will", "town": "I came into a {c} town", "brown": "where all the {p} are {e} and brown",
    "down": "the {c} sun was going down", "crown": "it looked like an old {c} crown", "rain": "The {p} are walking in the rain",
    "lane": "along the {d} and {c} lane", "again": "tomorrow they will come again", "grain": "and look for {c} and {e} grain",
}


def poem(rng):
    """Four rhymed lines."""
    lines = []
    plurals = [v[0] for v in ANIMALS.values()]
    slots = dict(c=rng.choice(COLOURS), d=rng.choice(["quiet", "lonely", "little", "narrow"]), p=rng.choice(plurals),
                 e=rng.choice(["warm", "cold", "soft", "clear", "wet"]))
    for i, word in enumerate(rng.choice(RHYMES)):
        lines.append(cap(VERSE[word].format(**slots)) + (",", ",", ",", ".")[i])
    return "\n".join(lines)


FACTS = [(town_article, 14), (river_article, 5), (quiz, 8), (arithmetic, 6), (word_problem, 7), (counting, 5),
         (timetable, 5), (recipe, 10), (comparison, 5), (inventory, 6), (how_to, 6), (poem, 3)]
