# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Narrative texts of the generator: stories, dialogues, letters, diaries.

Every function takes a `random.Random` and returns one document.  A text keeps
its state: the same names, pronouns, objects and places return to its end.
"""

from lexicon import (ANIMAL_NAMES, ANIMALS, COLOURS, CONTAINERS, DAYS, FEELINGS, FRUITS, OBJECTS,
                     PLACES, ROOMS, SEASON, MONTHS, TOWNS, Person, a, cap, clock, fill,
                     listing, number)

WEATHER = ["sunny", "rainy", "windy", "foggy", "snowy", "warm", "cold", "stormy"]
WEATHER_NOTE = {
    "sunny": ["The sky was blue and clear.", "The sun shone on the roofs."],
    "rainy": ["Rain fell on the roofs.", "Big drops ran down the windows."],
    "windy": ["The wind shook the trees.", "Leaves flew across the road."],
    "foggy": ["Nobody could see the end of the street.", "Grey fog lay over the fields."],
    "snowy": ["Snow covered the fields.", "White flakes fell without a sound."],
    "warm": ["The air smelled of grass.", "Bees hummed among the flowers."],
    "cold": ["There was ice on the puddles.", "Everybody wore a thick coat."],
    "stormy": ["Thunder rolled over the hills.", "Dark clouds hung over the roofs."],
}


def _pick_object(rng):
    noun = rng.choice(list(OBJECTS))
    return noun, rng.choice(OBJECTS[noun][1])


def lost_object(rng):
    """Somebody loses a thing, looks for it with a friend, and finds it."""
    hero = Person(rng)
    friend = Person(rng, (hero.name,))
    noun, adjective = _pick_object(rng)
    (place, at), (wrong, wrong_at) = rng.sample(PLACES, 2)
    weather = rng.choice(WEATHER)
    container = rng.choice([c for c in CONTAINERS if c != noun])
    thing = adjective + " " + noun
    slots = dict(hero.slots(), **friend.slots("2"), noun=noun, thing=thing, a_thing=a(thing), place=place,
                 at=at, wrong=wrong, wrong_at=wrong_at, weather=weather, container=container,
                 a_container=a(container), note=rng.choice(WEATHER_NOTE[weather]), day=rng.choice(DAYS),
                 town=rng.choice(list(TOWNS)), feeling=rng.choice(FEELINGS), a_job=a(hero.job))
    parts = [
        "[Once there was {a_job} called {name}. {She} lived in {town}.|{name} was {a_job} in {town}.|"
        "In the town of {town} lived {a_job}. {Hers} name was {name}.]",
        "[{name} had {a_thing}, and {she} loved it very much.|{She} owned {a_thing}.|"
        "{She} took {hers} {thing} everywhere.|{Hers} {thing} was the best thing {she} had.]",
        "[One {weather} {day}|On a {weather} {day}|One {weather} morning] {name} [could not find the {noun}|"
        "saw that the {noun} was gone|looked for {hers} {noun}, but it was not there]. {note}",
        "[\"Where is my {noun}?\" {she} [asked|cried].|\"Oh no, my {noun} is gone!\" {she} cried.|"
        "{name} was sad and sat down on the floor.]",
        "[{Hers} friend {name2} came to help {her}.|Then {name2} knocked at the door.|"
        "{name2} the {job2} heard {her} and came over.]",
        "[\"Let us look {wrong_at} {wrong},\" said {name2}.|\"Did you leave it {wrong_at} {wrong}?\" asked {name2}.|"
        "\"I think it is {wrong_at} {wrong},\" {name2} said.]",
        "[They went there, but the {noun} was not {wrong_at} {wrong}.|"
        "They looked {wrong_at} {wrong} for an hour, but they found nothing.|"
        "But {wrong_at} {wrong} there was only {a_container}, and it was empty.]",
        "[Then {name} remembered something. \"Yesterday I was {at} {place}!\" {she} said.|"
        "\"Wait,\" said {name}. \"I was {at} {place} yesterday.\"|"
        "After that {name2} had an idea. \"You were {at} {place} last night,\" {she2} said.]",
        "[The two friends ran there as fast as they could.|So they walked to {place}.|They went to {place} together.]",
        "[And there was the {thing}, under {a_container}.|There, behind {a_container}, lay the {thing}.|"
        "{name2} opened {a_container}, and inside was the {thing}.]",
        "[{name} was so {feeling} that {she} [danced|laughed|sang a song].|\"Thank you, {name2}!\" said {name}.|"
        "\"You are a good friend, {name2},\" {name} said.]",
        "[From that day on {she} kept the {noun} in {a_container}.|That evening they drank tea together.|"
        "{name} never lost the {noun} again.|And {she} put the {noun} back in {hers} bag.]",
    ]
    return _paragraphs(rng, [fill(rng, p, **slots) for p in parts], (2, 4))


def _paragraphs(rng, sentences, size):
    """Join parts to paragraphs of `size` parts."""
    out, i = [], 0
    while i < len(sentences):
        n = rng.randint(*size)
        out.append(" ".join(sentences[i:i + n]))
        i += n
    return "\n".join(out)


def animal_story(rng):
    """A child or a grown-up and an animal with a wish."""
    hero = Person(rng)
    kind = rng.choice(list(ANIMALS))
    plural, sound, food, home = ANIMALS[kind]
    pet = rng.choice(ANIMAL_NAMES)
    colour = rng.choice(COLOURS[4:8])
    place, at = rng.choice(PLACES)
    slots = dict(hero.slots(), kind=kind, plural=plural, sound=sound, food=food, home=home, pet=pet,
                 colour=colour, place=place, at=at, day=rng.choice(DAYS), town=rng.choice(list(TOWNS)),
                 count=number(rng.randint(2, 9)), a_job=a(hero.job), feeling=rng.choice(FEELINGS))
    parts = [
        "{name} had a {colour} {kind} called {pet}. [{pet} lived in the {home}.|{pet} slept in the {home} every night.]",
        "[Like all {plural}, {pet} loved {food}.|{pet} liked {food} more than anything else.|"
        "Every morning {name} gave {pet} some {food}.]",
        "One {day} {pet} [ran away|was not in the {home}|went to {place} alone].",
        "[{name} called, \"{pet}! {pet}!\" But nothing moved.|\"Where are you, {pet}?\" called {name}.|"
        "{She} looked in the {home}, but it was empty.]",
        "[{name} asked {count} people in {town}, but nobody had seen a {colour} {kind}.|"
        "\"Have you seen my {kind}?\" {she} asked everybody. \"It is {colour}.\"|"
        "{She} put some {food} in a bag and went to look for the {kind}.]",
        "[At last {she} came to {place}.|In the evening {she} heard a noise {at} {place}.|"
        "When it was nearly dark, {she} was {at} {place}.]",
        "[There {pet} {sound} loudly.|Something {sound}. It was {pet}!|There sat {pet} and {sound}.]",
        "[\"Come here, {pet},\" said {name}. \"I have {food} for you.\"|{name} held out the {food}.|"
        "\"You are hungry,\" {she} said, and {she} gave {pet} the {food}.]",
        "[The {kind} ate all the {food}.|{pet} came at once and ate.|{pet} was {feeling} and ate from {hers} hand.]",
        "[Then they went home together.|After that the {kind} followed {her} home.|{name} took {pet} back to the {home}.]",
        "[Since then {pet} has stayed in the {home}.|{name} closed the door of the {home} well that night.|"
        "The {kind} slept until morning.]",
    ]
    return _paragraphs(rng, [fill(rng, p, **slots) for p in parts], (2, 4))


def journey(rng):
    """A journey from town to town, with the goods and rivers of the world."""
    hero = Person(rng)
    start, goal = rng.sample(list(TOWNS), 2)
    days = rng.randint(2, 6)
    first = rng.randrange(7)
    bring = TOWNS[goal][2]
    sell = TOWNS[start][2]
    friend = Person(rng, (hero.name,))
    slots = dict(hero.slots(), **friend.slots("2"), start=start, goal=goal, days=number(days),
                 day1=DAYS[first], day2=DAYS[(first + days) % 7], bring=bring, sell=sell,
                 river=TOWNS[goal][1], river0=TOWNS[start][1], region=TOWNS[goal][0], roofs=TOWNS[goal][4],
                 animal=TOWNS[goal][3], bridges=number(TOWNS[goal][6]), market=TOWNS[goal][5],
                 coins=number(rng.randint(11, 60)), way=rng.choice(["on foot", "by boat", "on a horse", "with a cart"]),
                 a_job=a(hero.job), feeling=rng.choice(FEELINGS))
    parts = [
        "[{name} was {a_job} from {start}.|{name} the {job} lived in {start}.|In {start} there lived {a_job} named {name}.]",
        "[On {day1} {she} left {start}|One {day1} {she} started] and travelled to {goal} {way}.",
        "[{name} wanted to sell {sell}, because {start} is known for its {sell}.|"
        "In {hers} bag {she} had {sell} from {start}.|{She} took {sell} along, to sell at the market.]",
        "[First the road followed {river0}.|At first {she} went along {river0}.|The way began at {river0}.]",
        "[The journey took {days} days.|For {days} days {she} travelled.]"
        " [At night {she} slept under a tree.|It rained every night.|{She} sang on the way.]",
        "[On {day2} {she} saw the {roofs} roofs of {goal}.|On {day2} {name} came to {goal}, a town with {roofs} roofs.]",
        "[The flag with the {animal} flew over the gate.|Over the gate was a flag with {an_animal} on it.]",
        "[{She} crossed {river} on one of the bridges of the town.|{goal} lies on {river} in {region}.]",
        "[At the market {she} met {name2}, {a_job2}.|There {name2} the {job2} waited for {her}.]",
        "[\"How much for your {sell}?\" asked {name2}. \"{coins} coins,\" said {name}.|"
        "\"I will give you {coins} coins for your {sell},\" said {name2}.]",
        "[\"That is fair,\" said {the_other}.|So {name2} paid {coins} coins.]",
        "[With the money {name} bought {bring}, the best in {region}.|Then {name} bought some {bring}, as everybody does in {goal}.]",
        "[{name} went home {feeling}.|After {days} more days {she} was back in {start}.|\"I will come again,\" {she} said.]",
    ]
    slots.update(an_animal=a(slots["animal"]), a_job2=a(friend.job), the_other=rng.choice([hero.name, friend.name]))
    return _paragraphs(rng, [fill(rng, p, **slots) for p in parts], (2, 5))


def shop_dialogue(rng):
    """Somebody buys things; the sum is right."""
    seller = Person(rng)
    buyer = Person(rng, (seller.name,))
    goods = rng.sample(list(FRUITS), 2)
    n = [rng.randint(2, 6), rng.randint(2, 6)]
    price = [rng.randint(1, 4), rng.randint(1, 4)]
    cost = [n[0] * price[0], n[1] * price[1]]
    total = sum(cost)
    paid = rng.choice([p for p in (10, 20, 30, 40, 50) if p > total])

    def coins(k):
        return number(k) + (" coin" if k == 1 else " coins")

    slots = dict(seller.slots(), **buyer.slots("2"), plural=FRUITS[goods[0]], plural2=FRUITS[goods[1]],
                 one=goods[0], one2=goods[1], n=number(n[0]), n2=number(n[1]), p=coins(price[0]),
                 p2=coins(price[1]), c=coins(cost[0]), c2=coins(cost[1]), total=coins(total),
                 paid=coins(paid), change=coins(paid - total), town=rng.choice(list(TOWNS)),
                 verb="is" if paid - total == 1 else "are")
    lines = [
        "[{name2} went to the market in {town}.|At the market of {town}, {name2} stopped at a stall.]"
        " [The stall belonged to {name}.|{name} stood behind it.]",
        "\"Good [morning|day], {name2},\" said {name}. \"[What would you like?|What can I do for you?]\"",
        "\"[How much are the {plural}?|What does one {one} cost?]\" asked {name2}.",
        "\"One {one} costs {p},\" said {name}. \"And one {one2} costs {p2}.\"",
        "\"[Then I take|Please give me] {n} {plural} and {n2} {plural2},\" said {name2}.",
        "\"{n} {plural} are {c}, and {n2} {plural2} are {c2},\" said {name}. \"That makes {total}.\"",
        "{name2} gave {her} {paid}.",
        "\"And here {verb} {change} back,\" said {name}.",
        "\"[Thank you|Thanks], {name}! [Goodbye|See you on " + rng.choice(DAYS) + "]!\" {name2} put the "
        "{plural} and the {plural2} in {hers2} " + rng.choice(["basket", "bag"]) + ".",
    ]
    if seller.her == buyer.her:
        lines[6] = "{name2} gave {name} {paid}."
    return "\n".join(fill(rng, line, **slots) for line in lines)


def letter(rng):
    """A letter with date, greeting, some news, a question and a closing."""
    writer = Person(rng)
    reader = Person(rng, (writer.name,))
    month = rng.randrange(12)
    season = SEASON[month]
    weather = {"winter": ["cold", "snowy", "stormy"], "spring": ["rainy", "windy", "sunny"],
               "summer": ["warm", "sunny"], "autumn": ["foggy", "windy", "rainy"]}[season]
    noun, adjective = _pick_object(rng)
    home, other = rng.sample(list(TOWNS), 2)
    kind = rng.choice(list(ANIMALS))
    pet = rng.choice(ANIMAL_NAMES)
    friend = Person(rng, (writer.name, reader.name))
    hour, quarter = rng.randint(7, 18), rng.randrange(4)
    slots = dict(writer=writer.name, reader=reader.name, season=season, weather=rng.choice(weather), noun=noun,
                 a_thing=a(adjective + " " + noun), home=home, other=other, kind=kind, pet=pet,
                 product=TOWNS[home][2], product2=TOWNS[other][2], river=TOWNS[home][1], food=ANIMALS[kind][2],
                 day=rng.choice(DAYS), time=clock(hour, quarter), friend=friend.name, she3=friend.she,
                 her3=friend.her, hers3=friend.hers, job3=friend.job, place=rng.choice(PLACES)[0],
                 feeling=rng.choice(FEELINGS), n=number(rng.randint(2, 12)))
    news = [
        "[It is {season} now, and the weather is {weather}.|The weather here in {home} is {weather}, as always in {season}.]",
        "[Yesterday I bought|Last week I found|On {day} I made] {a_thing}. The {noun} is for you.",
        "My {kind} {pet} is well. [Every day {pet} eats {food}.|Yesterday {pet} ate all the {food}!]",
        "[Do you remember {friend}, the {job3}?|You know {friend}, the {job3}.] Now {she3} lives in {other}, and"
        " {hers3} house is near {place}.",
        "We still make the best {product} in the land. [I will send you some.|You must try it.]",
        "I walked along {river} for {n} hours. [Now I am {feeling}.|It was beautiful.]",
    ]
    closing = [
        "[Will you come to {home} on {day}?|Can you visit me on {day}?] I will wait at {place} at {time}.",
        "[Please bring some {product2} from {other}.|Please write to me soon.|Please tell {friend} that I think of {her3}.]",
    ]
    rng.shuffle(news)
    head = "%s, %d %s" % (home, rng.randint(1, 28), MONTHS[month])
    body = [fill(rng, s, **slots) for s in news[:rng.randint(2, 5)]]
    end = [fill(rng, s, **slots) for s in closing]
    greeting = fill(rng, "[Dear|My dear] {reader},", **slots)
    sign = fill(rng, "[Yours|Your friend|With love|Best wishes],\n{writer}", **slots)
    return "\n".join([head, greeting, " ".join(body), " ".join(end), sign])


def diary(rng):
    """Some days in order, each with a thing done; the last looks back."""
    place = rng.sample(PLACES, 4)
    people = rng.sample(["my sister", "my brother", "my uncle", "my aunt", "the teacher", "the baker", "the miller"], 4)
    first = rng.randrange(7)
    entries = []
    deeds = []
    done = rng.sample([
        ("painted the door {colour}", "painting the door"), ("baked bread", "baking bread"),
        ("repaired the roof", "repairing the roof"), ("learned a new song", "learning a song"),
        ("read a book about {plural}", "reading about {plural}"), ("planted {fruit} trees", "planting trees"),
        ("counted the {plural}", "counting the {plural}"), ("washed {n} windows", "washing windows"),
        ("built a wall of {n} stones", "building a wall"), ("swam in the lake", "swimming")], 4)
    for i in range(rng.randint(3, 4)):
        slots = dict(colour=rng.choice(COLOURS), plural=ANIMALS[rng.choice(list(ANIMALS))][0],
                     fruit=rng.choice(list(FRUITS)), n=number(rng.randint(2, 40)), who=people[i],
                     place=place[i][0], at=place[i][1], weather=rng.choice(WEATHER), feeling=rng.choice(FEELINGS),
                     time=clock(rng.randint(5, 9), rng.randrange(4)))
        deed = fill(rng, done[i][0], **slots)
        deed = deed[0].lower() + deed[1:]
        gerund = fill(rng, done[i][1], **slots)
        deeds.append((DAYS[(first + i) % 7], gerund[0].lower() + gerund[1:]))
        slots["deed"] = deed
        entries.append(DAYS[(first + i) % 7] + ". " + fill(
            rng, "[I got up at {time}.|It was {weather} today.|A {weather} day.] [I {deed} with {who}.|"
            "With {who} I {deed}.|{Who} came, and we {deed}.] [Later we met {at} {place}.|Then I went to {place}.|] "
            "[Now I am {feeling}.|In the evening I was {feeling}.|]", **slots).strip())
    best = rng.choice(deeds)
    entries.append(fill(rng, "[The best day was {day}, because I liked {deed} most.|I liked {day} best: {deed} is fun.]",
                        day=best[0], deed=best[1]))
    return "\n".join(entries)


def contest(rng):
    """Three people compete; the order is told once and comes back in the end."""
    people, names = [], []
    for _ in range(3):
        people.append(Person(rng, names))
        names.append(people[-1].name)
    sport, unit, better = rng.choice([
        ("throw a stone", "steps", "far"), ("jump over the ditch", "feet", "far"), ("stack plates", "plates", "many"),
        ("catch fish", "fish", "many"), ("pick apples", "apples", "many"), ("stand on one leg", "minutes", "long")])
    results = rng.sample(range(3, 40), 3)
    order = sorted(range(3), key=lambda i: -results[i])
    win, mid, last = (people[i] for i in order)
    prize = " ".join(reversed(_pick_object(rng)))
    slots = dict(all=listing(names), sport=sport, unit=unit, prize=prize, a_prize=a(prize),
                 town=rng.choice(list(TOWNS)), day=rng.choice(DAYS), win=win.name, mid=mid.name, last=last.name,
                 she=win.she, hers=win.hers, her=win.her, she3=last.she, diff=number(results[order[0]] - results[order[1]]))
    lines = [fill(rng, "[On {day}|One {day}] {all} met in {town} to {sport}. [The prize was {a_prize}.|"
                  "The winner would get {a_prize}.]", **slots)]
    for i, when in enumerate(["[First|At first]", "[Then|After that]", "[At last|Finally]"]):
        lines.append(fill(rng, when + " it was the turn of {name}. [{She} tried hard.|{She} took a deep breath.|"
                          "Everybody was quiet.|] \"{n} {unit}!\" [said|called] the judge.",
                          n=number(results[i]), unit=unit, **people[i].slots()))
    lines.append(fill(rng, "[So the winner was {win}, and {mid} was second.|{win} had won. {mid} came second and {last} third.]"
                      " [\"Only {diff} more than you, {mid},\" {win} said.|{mid} shook the hand of {win}.|"
                      "{last} was last, but {she3} laughed.] [{win} took the {prize} home.|The {prize} went to {win}.]", **slots))
    return _paragraphs(rng, lines, (2, 3))


def riddle(rng):
    """A described thing to guess."""
    asker = Person(rng)
    other = Person(rng, (asker.name,))
    clues = {
        "clock": ["I have a face but no eyes", "I have hands but no arms", "I run all day but stay on the wall"],
        "river": ["I run but have no legs", "I have a mouth but never speak", "I have a bed but never sleep"],
        "shadow": ["I follow you all day", "I am gone at night", "I am long in the evening and short at noon"],
        "book": ["I have a back but no legs", "I have leaves but am no tree", "I tell stories but have no voice"],
        "candle": ["I am tall when I am young", "I am short when I am old", "I cry when I shine"],
        "egg": ["I am a house without a door", "I am white outside and yellow inside", "whoever wants me must break me"],
        "snow": ["I am white and fall without a sound", "I hide the fields", "I run away from the sun"],
        "echo": ["I speak without a mouth", "I live in the hills", "I always have the last word"],
        "needle": ["I have one eye but cannot see", "I carry a long tail through the cloth", "I am small but sharp"],
        "bell": ["I have a tongue but never eat", "I hang in the tower", "everybody hears me on Sunday"],
    }
    answer = rng.choice(list(clues))
    wrong = rng.choice([w for w in clues if w != answer])
    told = rng.sample(clues[answer], rng.randint(2, 3))
    slots = dict(asker.slots(), **other.slots("2"), told=cap(told[0]) + ". " + ". ".join(cap(t) for t in told[1:]),
                 answer=answer, wrong=wrong, place=rng.choice(PLACES)[0])
    slots["the"] = "" if answer in ("snow",) else "the "
    slots["the_w"] = "" if wrong in ("snow",) else "the "
    return fill(rng, "{name} and {name2} sat near {place}. \"[Listen|Guess this], {name2},\" said {name}. "
                "\"{told}. What am I?\"\n[{name2} thought for a while. \"Is it {the_w}{wrong}?\" {she2} asked. \"No,\" said {name}, "
                "\"think again.\" |]\"I know it! It is {the}{answer}!\" [said|cried] {name2}.\n"
                "[\"Right,\" said {name}.|{name} laughed. \"Yes, the answer is {the}{answer}.\"|\"Well done!\" said {name}.]", **slots)


def rooms_walk(rng):
    """Where things are after people moved them; asked in the end."""
    first = Person(rng)
    second = Person(rng, (first.name,))
    noun, adjective = _pick_object(rng)
    noun2 = rng.choice([n for n in OBJECTS if n != noun])
    rooms = rng.sample(ROOMS, 3)
    where = {noun: rooms[0], noun2: rooms[1]}
    people = {first.name: first, second.name: second}
    lines = ["%s is in the %s with %s. %s is in the %s with %s." % (
        first.name, rooms[0], a(adjective + " " + noun), second.name, rooms[1], a(noun2))]
    at = {first.name: rooms[0], second.name: rooms[1]}
    holds = {first.name: noun, second.name: noun2}
    for _ in range(rng.randint(2, 5)):
        who = people[rng.choice(list(people))]
        if holds[who.name]:
            thing = holds[who.name]
            if rng.random() < 0.6:
                room = rng.choice([r for r in rooms if r != at[who.name]])
                lines.append(fill(rng, "{name} [takes|carries] the {thing} to the {room}.", name=who.name, thing=thing, room=room))
                at[who.name] = where[thing] = room
            else:
                lines.append("%s puts the %s down in the %s." % (who.name, thing, at[who.name]))
                holds[who.name] = None
        else:
            here = [t for t in where if where[t] == at[who.name] and t not in holds.values()]
            if here and rng.random() < 0.4:
                lines.append("%s picks up the %s." % (who.name, here[0]))
                holds[who.name] = here[0]
            else:
                room = rng.choice([r for r in rooms if r != at[who.name]])
                lines.append("%s [goes|walks] to the %s.".replace("[goes|walks]", rng.choice(["goes", "walks"])) % (who.name, room))
                at[who.name] = room
    text = " ".join(lines)
    asked = rng.choice([noun, noun2])
    who = rng.choice([first, second])
    text += "\nWhere is the %s now? The %s is in the %s." % (asked, asked, where[asked])
    text += "\nWhere is %s? %s is in the %s." % (who.name, cap(who.she), at[who.name])
    return text


STORIES = [(lost_object, 18), (animal_story, 12), (journey, 12), (shop_dialogue, 9), (letter, 11),
           (diary, 6), (contest, 6), (riddle, 3), (rooms_walk, 7)]
