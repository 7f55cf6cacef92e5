"""Handbook-like statements with questions in other words, filled from slots (`facts.txt`).

Documentation packages teach technical prose; these teach what people ask of a handbook: who, when,
where, how much, why. Statement and question share the slot's value but often no other word.
"""

import random
import re
from dataclasses import dataclass
from pathlib import Path

SLOTS: dict[str, str] = {
    "place": "library, museum, swimming pool, bakery, clinic, workshop, garden, school office, "
    "ticket office, canteen, gym, theatre, post office, pharmacy, harbour office, laboratory, "
    "warehouse, archive, visitor centre, campsite, repair shop, market hall, observatory, "
    "greenhouse, ski lift, ferry terminal, car park, kitchen, town hall, cinema, zoo, castle, "
    "bike shop, hostel, farm shop, brewery, mill, lighthouse, mountain hut, studio, nursery",
    "room": "cellar, attic, hallway, meeting room, staff room, reading room, storage room, garage, "
    "server room, kitchen, west wing, courtyard, lobby, drying room, cold store, main hall, "
    "basement, music room, shed, boiler room, back office, clean room, control room, boat house",
    "team": "support team, board, finance group, night shift, choir, rescue team, data team, "
    "garden club, platform team, kitchen crew, fire brigade, youth group, sales department, "
    "research group, security team, orchestra, editorial team, rowing club, maintenance crew",
    "device": "printer, coffee machine, server, pump, boiler, scanner, telescope, oven, camera, "
    "drone, tractor, router, freezer, sensor, compressor, dishwasher, projector, loom, kiln, "
    "lathe, microscope, generator, heat pump, crane, roaster, centrifuge, ventilator, lift, "
    "grinder, 3D printer, sewing machine, chainsaw, mixer, incubator, hive scale, water filter",
    "part": "fuse, valve, filter, belt, cable, seal, cartridge, fan, blade, switch, nozzle, hose, "
    "bearing, gasket, sensor, battery, spring, lid, lens, chain, drum, tank, heating coil, relay",
    "state": "empty, full, blocked, broken, loose, worn out, dirty, overheated, wet, missing, "
    "frozen, damaged, cracked, rusty, disconnected, leaking",
    "items": "books, laptops, skis, bicycles, tents, tools, keys, costumes, instruments, cameras, "
    "reports, invoices, samples, projects, labels, contacts, photos, documents, seeds, maps, "
    "boats, board games, uniforms, spare parts, beans, helmets, records, members, alerts, "
    "tickets, drawings, notes, devices, accounts, models, batteries, chairs, recipes, orders",
    "service": "gateway, scheduler, queue, database, cache, backup job, dashboard, log collector, "
    "mail server, build server, search index, load balancer, proxy, message broker, web server, "
    "file store, payment service, crawler, registry, worker pool, token service, job runner",
    "setting": "max_workers, cache_size, retry_limit, QUEUE_DEPTH, pool.size, num_threads, "
    "batch_wait_ms, keep_alive, max-connections, log_level, shard_count, RATE_LIMIT, "
    "idle_timeout_s, page_size, heap.max, burst, min_replicas, poll_interval",
    "command": "make restart, systemctl restart, ./run.sh, kubectl rollout, service reload, "
    "npm start, docker compose up, cargo run, bin/boot, reset --hard, ctl up, start-all",
    "menu": "Settings, Profile > Security, the gear icon, File > Manage, the Admin page, Account, "
    "Tools, the side panel, Options > Advanced, the plus button, the Edit menu, My page",
    "account": "password, PIN, user name, e-mail address, access code, phone number, passphrase",
    "leave": "paid holiday, parental leave, sick leave, vacation, study leave, home office, "
    "unpaid leave, training time",
    "event": "summer party, safety course, weekly meeting, concert, open day, first aid course, "
    "pottery class, book club, fire drill, guided tour, annual meeting, workshop on bees, chess "
    "evening, code review, quiz night, film night, regatta, flea market, planning session",
    "topic": "taxes, insurance, travel, data protection, bee keeping, glass blowing, statistics, "
    "safety, the budget, marketing, chemistry, navigation, first aid, geology, "
    "contracts, software licences, music theory, waste, recruiting, medicine, astronomy, law, "
    "ceramics",
    "cause": "fire, flooding, a power cut, a storm, heavy rain, an earthquake, a gas leak, "
    "illness, a strike, frost, overheating, moisture, rust, mould, a virus, smoke, snow, "
    "a burst pipe",
    "clothing": "safety glasses, gloves, a helmet, ear protection, steel boots, a face mask, a "
    "lab coat, a high-visibility vest, a hair net, an apron, a life jacket, a harness",
    "material": "oak, copper, steel, glass, clay, paper, plastic, wool, aluminium, sand, salt, "
    "cotton, wax, silver, concrete, leather, brass, sugar, vinegar, ash, lime, resin, tin, "
    "bamboo, linen, metal, cardboard, oil, bleach, ice, lead, zinc, yeast, soda, alcohol",
    "thing": "bridge, flag, table, boat, sign, wall, roof, statue, fence, label, sticker, bowl, "
    "violin, tower, gate, line, sail, quilt, pot, bench, tile, lamp, ribbon, door, tag, clock",
    "meaning": "danger, an exit, a finished task, private land, fragile goods, a fast trail, cold "
    "water, the winner, a new member, an urgent case, drinking water, a closed road, allergens",
    "colour": "red, blue, green, yellow, black, white, brown, orange, purple, grey, pink",
    "food": "rye bread, soup, apple cake, cheese, yoghurt, lentil stew, pancakes, honey, butter, "
    "chicken, rice, salmon, mushrooms, chocolate, tomato sauce, espresso, dough, jam, noodles, "
    "roast beef, granola, sourdough, kimchi, cider, green tea, nuts, milk, fruit, seeds, oats",
    "animals": "bees, otters, hens, horses, owls, salmon, beavers, sheep, bats, seals, frogs, "
    "goats, squirrels, wolves, geese, hedgehogs, lizards, swans, tortoises, rabbits, dolphins",
    "habitat": "hollow trees, river banks, caves, dry grass, tall reeds, old barns, rocky coasts, "
    "wet meadows, dense forest, mountain slopes, burrows, shallow lakes",
    "bodypart": "teeth, feathers, strong legs, large eyes, whiskers, claws, thick fur, wings, "
    "long ears, fins, ribs, toes, sharp beaks, gills",
    "plant": "tomatoes, lavender, potatoes, roses, basil, apple trees, garlic, sunflowers, beans, "
    "strawberries, orchids, pumpkins, ferns, carrots, mint, tulips, wheat, olive trees, peas",
    "soil": "sandy, dry, moist, heavy, acid, chalky, loose, rich, stony, clay",
    "season": "spring, summer, autumn, winter",
    "adj": "dry, dark, cool, soft, light, cheap, strong, bitter, quiet, hard, fast, sweet, thin, "
    "warm, flexible, rare, sour, dangerous, bright, sticky, heavy, clean, rough, slow, yellow",
    "allowed": "allowed, not allowed, welcome, forbidden, permitted, prohibited",
    "process": "fermentation, deployment, inspection, migration, roasting, glazing, upload, "
    "firing, distillation, audit, translation, harvest, rollout, recycling, tuning, launch, "
    "calibration, payroll run, update, brewing, import, drying, repair, training, cleaning",
    "tool": "gauge, wrench, thermometer, ruler, screwdriver, multimeter, hammer, knife, probe, "
    "spanner, hex key, scale, torch, pair of pliers",
    "payment": "credit card, bank transfer, cash, invoice, voucher, direct debit, mobile phone",
    "plan": "Basic, Team, Silver, Pro, Family, Starter, Gold, Student, Enterprise",
    "prize": "silver cup, design award, city prize, gold medal, science grant, first prize",
    "book": "cookbook, field guide, handbook, novel, annual report, manual, song book, diary",
    "day": "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday",
    "month": "January, February, March, April, May, June, July, August, September, October, "
    "November, December",
}
FIRST = "Anna Ben Clara David Ewa Farid Greta Hugo Ines Jonas Kira Luis Mara Nils Olga Pablo Rosa"
FIRST += " Samir Tess Umar Vera Wim Yuki Zoe Priya Chen Amina Tomas Leila Marek Aisha Kofi Ingrid"
LAST = "Keller Novak Brandt Silva Okafor Tanaka Larsen Moreau Haas Rossi Weber Kaya Lind Petrov"
LAST += " Mendes Schmidt Nowak Ito Berg Costa Farkas Dubois Ahmed Olsen Park Reyes Vogel Zeman"
_ONSETS = "b br c ch d dr f fl g gr h j k kl l m n p pl qu r s sh sl st t tr v w z"
ONSETS = _ONSETS.split()
_CODAS = "l n r s t nd rk sk lm x m rn ck ll"
CODAS = _CODAS.split()
_SMALL = "two three four five six seven eight nine ten twelve fifteen twenty thirty"
SMALL = _SMALL.split()


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One statement, the questions that it answers, and where it comes from."""

    statement: str
    questions: tuple[str, ...]
    family: int
    subject: str


def pseudo_word(rng: random.Random, num_syllables: int = 2) -> str:
    """Returns a pronounceable word that no dictionary holds."""
    parts = [rng.choice(ONSETS) + rng.choice("aeiou") for _ in range(num_syllables)]
    return "".join(parts) + rng.choice(CODAS)


def _number(rng: random.Random) -> str:
    value = rng.choice([rng.randint(2, 12), rng.randint(2, 60), rng.randint(10, 300)])
    return rng.choice(SMALL) if rng.random() < 0.2 else str(value)


def _duration(rng: random.Random) -> str:
    unit = rng.choice(["minutes", "hours", "days", "weeks", "months", "years", "days", "weeks"])
    return f"{_number(rng)} {unit}"


def _time(rng: random.Random) -> str:
    hour, minute = rng.randint(5, 22), rng.choice(["00", "15", "30", "45"])
    if rng.random() < 0.5:
        return f"{hour}:{minute}"
    return rng.choice(["noon", "midnight", f"{hour % 12 + 1} am", f"{hour % 12 + 1} pm"])


def _company(rng: random.Random) -> str:
    name = pseudo_word(rng, rng.randint(1, 2)).capitalize()
    return name + rng.choice([" Labs", " Ltd", " & Sons", "", " Systems", " Works", " AG"])


def _code(rng: random.Random) -> str:
    return rng.choice(["E", "F", "0x", "ERR-", "H", "#"]) + str(rng.randint(1, 510))


def _city(rng: random.Random) -> str:
    ending = rng.choice(["burg", "ton", "stad", " Bay", "ville", "dale", "ow", "mouth"])
    return pseudo_word(rng, 1).capitalize() + ending


GENERATED = {
    "n": _number,
    "N": lambda rng: str(rng.choice([rng.randint(2, 99), rng.randint(100, 9999), 8080, 50000])),
    "dur": _duration,
    "time": _time,
    "money": lambda rng: rng.choice(["{} euros", "${}", "{} pounds", "{} dollars"]).format(
        rng.randint(2, 400)
    ),
    "temp": lambda rng: f"{rng.randint(1, 240)} degrees",
    "year": lambda rng: str(rng.randint(1650, 2024)),
    "person": lambda rng: rng.choice(
        [f"{rng.choice(FIRST.split())} {rng.choice(LAST.split())}", rng.choice(FIRST.split())]
    ),
    "company": _company,
    "city": _city,
    "code": _code,
}
NAMED = ("place", "device", "service", "team", "event", "process", "plan", "thing", "room")


class FactMaker:
    """Draws facts from the families; every draw depends on the given random source alone."""

    def __init__(self, families: Path, nouns: tuple[str, ...] = ()) -> None:
        """Reads the families.

        Args:
            families: `facts.txt`.
            nouns: further nouns that may stand in for a thing, a part or an item.
        """
        self._pools = {name: tuple(re.split(r",\s+", text)) for name, text in SLOTS.items()}
        self._nouns = nouns
        self._families = []
        for line in families.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                statements, questions = line.split(" :: ")
                self._families.append((statements.split(" | "), questions.split(" | ")))

    def slots(self, rng: random.Random) -> dict[str, str]:
        """Draws one value per slot: the setting of one document."""
        values = {name: rng.choice(pool) for name, pool in self._pools.items()}
        for name in NAMED:
            draw = rng.random()
            if draw < 0.2:
                values[name] = f"{pseudo_word(rng).capitalize()} {values[name]}"
            elif draw < 0.35 and self._nouns:
                values[name] = f"{rng.choice(self._nouns)} {values[name]}"
        if self._nouns:
            for name in ("part", "thing", "tool", "material", "food"):
                if rng.random() < 0.3:
                    values[name] = rng.choice(self._nouns)
            if rng.random() < 0.3:
                values["items"] = rng.choice(self._nouns) + "s"
        return values

    def draw(self, rng: random.Random, kept: dict[str, str]) -> Fact:
        """Draws one fact.

        Args:
            rng: random source.
            kept: slot values of the document; numbers, times and names are drawn anew.

        Returns:
            The filled statement and questions.
        """
        index = rng.randrange(len(self._families))
        statements, questions = self._families[index]
        values = dict(kept)
        for name in ("room2", "adj2", "food2", "food3"):
            values[name] = rng.choice(self._pools[name[:-1]])
        values.update({name: make(rng) for name, make in GENERATED.items()})
        values["n2"] = _number(rng)
        for name in ("day", "month", "colour", "state", "cause", "part", "material", "adj", "room"):
            if rng.random() < 0.7:
                values[name] = rng.choice(self._pools[name])
        statement = fill(rng.choice(statements), values)
        filled = tuple(fill(question, values) for question in questions)
        subject = next((n for n in re.findall(r"{(\w+)}", questions[0]) if n in values), "")
        return Fact(
            statement=statement, questions=filled, family=index, subject=values.get(subject, "")
        )


def fill(template: str, values: dict[str, str]) -> str:
    """Fills the slots; a slot written with a capital, `{Food}`, starts with a capital."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in values:
            return values[name]
        text = values[name.lower()]
        return text[0].upper() + text[1:]

    text = re.sub(r"{(\w+)}", value, template)
    text = re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", text)
    return text[0].upper() + text[1:] if template[0] in "{" or template[0].isupper() else text
