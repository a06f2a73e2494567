"""How people put a medical finding into words, as tables: here words that all of them share.

Phrasings are separated by a comma or a new line. In one, a space also meets hyphens, ` ?` an optional space, ` ~ ` is a
gap of up to six words (no comma, no "not"), a word in capitals stands for the list of WORDS; the rest is a regular
expression. It meets text that safety.plain() made uniform: lower case, American spelling, figures for numbers, "can't"
for "cannot" and "unable to", "isn't" for "is not". Whether a finding is denied, past, someone else's or hypothetical is
decided in negation.py.

    findings    illness, as it is told
    mishaps     injury, blood, poison, mother and baby, self-harm, as they are told
    signs       what is measured, or found on examination

A finding that stands in more than one of them is any of these: the fever that is told, or the temperature given.
"""

# A word in capitals stands for one of these; it may use those that come later.
WORDS = {
    "HAVING": r"""
        (?:having|has|have|just had|with|suspected|possible|probable|showing signs of)ADJECTIVE
        (?:(?:concern|suspicion) (?:for|of)|(?:sounds|looks|feels) like|(?:going|gone) into)ADJECTIVE
        can't (?:rule out|exclude)ADJECTIVE
        (?:it's|(?:is|was) (?:this|it|that)|(?:this|it|that) (?:is|was))ADJECTIVE
        (?:could|might|may|must) (?:be|have had)ADJECTIVE
        (?:think|believe|suspect)\w*(?: (?!not?\b)[\w']+){0,4}ADJECTIVE
    """,
    "ADJECTIVE": r"(?: an?| the| another)?(?: (?!(?:NO|PAST)\b)[\w-]+)?",
    "NO": "no, not, never",
    "PAST": "had, prior, previous, past, old, recent, history",
    "SOMEONE": r"in (?:an?|my|this|our|the \d+)",
    "FUMING": "generator, barbecue, bbq, charcoal, grill, boiler, gas (?:fire|heater|stove|cooker), stove, car engine",
    "THE": "my, the, his, her, their, your, our",
    "NOW": "is, am, still, keeps, he's, she's, i'm, currently, now",
    "FAILS": "not, no, isn't, doesn't, won't, can't, hasn't, wouldn't",
    "ACHE": """
        pain, (?<!blood.)pressure, tightness, heaviness, squeezing, weight, discomfort, ache, band, burning, elephant
    """,
    "SPREADS": r"radiat\w+, spread\w*, shoot\w*, go(?:es|ing)?, travel\w*, mov(?:es|ed|ing), runs?, running, extend\w*",
    "DROOPS": r"""
        droop\w*, lop ?sided, crooked, uneven, sagg\w+, asymmetr\w+, slid, dropped, fallen
        hanging, twisted, frozen, numb
    """,
    "NUMB": r"numb\w*, no feeling, can't feel, don't feel, lost ~ feeling, lost sensation, loss of sensation, tingling",
    "SEAT": r"""
        groin, genitals?, buttocks, between ~ legs, saddle, perine\w+, bottom, bum, backside, crotch, privates?
        private parts, anus, back passage, inner thighs, down below, wipe
    """,
    "HIT": r"""
        hits?, bang\w*, bump\w*, struck, strik\w+, knock\w*, smash\w*, crack\w*, hurt, landed on, landing on, fell on
        kicked in, punched in
    """,
    "PART": "(?:finger|hand|arm|leg|thumb|foot|toe|artery)s?",
    "COLD": "cold, pale, white, blue, dusky, pulseless",
    "SUGAR": r"""
        (?<!csf.)(?:sugars?|glucose|bg|bm|bsl|cbg)(?: levels?)?IS
    """,
    "TOOK": r"took, taken, taking, SWALLOWED",
    "SWALLOWED": r"swallow\w*, ingest\w*, drank, drunk, drinking, ate, eaten, eating, downed",
    "FELL": "fell, fallen, fall, thrown, came, tumbled",
    "HEIGHT": """
        bike, bicycle, motor ?bike, motorcycle, scooter, skateboard, horse, pony, ladder, roof, tree, swing, window
        height, bed, bunk, wall, balcony, climbing frame, trampoline
    """,
    "PACK": "bottles?, packets?, packs?, box(?:es)?, handfuls?, strips?, sheets?",
    "MANY": r"[1-9]\d+(?! ?(?:mg|mcg|ug|g|ml|units?|days?|weeks?|months?|years?)\b)",
    "POISON": r"""
        bleach, anti ?freeze, button batter\w+, battery, batteries, magnets?, detergent, laundry pods?, dishwasher \w+
        pesticide\w*, insecticide\w*, weed ?killer, rat poison, (?:drain|oven) cleaner, cleaner, cleaning \w+
        caustic, corrosive, methanol, white spirit, petrol, gasoline, kerosene, lamp oil, paint thinner, poison\w*
        death cap, (?:wild|garden|picked) mushrooms?, organophosph\w+, cyanide, paraquat, slug pellets?, moth ?balls?
        essential oils?, eucalyptus oil, vape (?:juice|liquid), e liquid, nicotine (?:liquid|refill), hand sanitizer
        screen ?wash, ethylene glycol, descaler, limescale \w+, disinfectant, turps, turpentine, water beads?
        (?:coin|button|disc) cells?, foxglove, yew, laburnum, nightshade, oleander, hemlock, dish ?washer \w+, lye
    """,
    "MEDICINE": "pills?, tablets?, capsules?, medications?, medicines?, meds, heart pills?",
    "DRUG": r"""
        paracetamol, acetaminophen, tylenol, calpol, aspirin, ibuprofen, pain ?killers?, opioids?, antidepressants?
        sleeping \w+, \w+triptyline, tricyclics?, sertraline, citalopram, fluoxetine, venlafaxine, \w+olol, digoxin
        verapamil, diltiazem, \w+dipine, lithium, metformin, gli\w+ide, insulin, iron, ferrous \w+, codeine, morphine
        oxycodone, methadone, tramadol, \w+zepam, xanax, zopiclone, quetiapine, \w+ histamines?, diphenhydramine
        colchicine, \w+chloroquine, theophylline, warfarin, fentanyl, heroin, amphetamines?, cocaine, ecstasy, mdma
    """,
    "WANTS": r"""
        (?:want|wants|wanted|wanna|going|gonna|ready|rather|wish|wishes|hoping|planning|plans?|intends?|like)(?: to)?
    """,
    "WEEKS": r"(?:[4-9]|[1-3]\d|4[0-2]) ?(?:weeks?|wks?)",
    "BALL": r"""
        testic\w+, testis, testes, (?:hemi ?)?scrot\w+, bollocks?, ball ?sack, gonads?
        (?:my|his|left|right|one|both|the) balls?(?! (?:of|hit|game))
    """,
    "EATEN": """
        swallowed, ingested, ate, eaten, drank, drunk, chewed, sucked, got into, got hold of, helped (?:him|her)self to
    """,
    "CHEMICAL": r"""
        bleach, acid, alkali, caustic \w+, lye, chemicals?, (?:oven|drain|toilet|bathroom|window|engine) ?cleaner
        cleaning \w+
        ammonia, cement, lime, descaler, disinfectant, super ?glue, pepper spray, paint (?:stripper|thinner), pool \w+
        laundry \w+, washing (?:liquid|pod|capsule), dishwasher \w+, petrol, solvent, brake fluid, drain unblocker
    """,
    "MEANS": r"""
        plan\w*, thinking, think, thoughts?, contemplat\w+, consider\w*, attempt\w*, commit\w*, want\w*, tried
        threat\w+
    """,
    # Signs and their numbers
    "HYPOTENSION": r"""
        (?<!diastolic.)(?<!mean.)(?:bp|b\.p\.|nibp|blood pressure)IS ?[4-8]\d(?:/\d+)?(?![./]?\d| ?(?:%|kg|bpm|beats))
        (?:systolic|sbp)(?: (?:bp|blood pressure|pressure))?IS ?[4-8]\d
        (?:bp|blood pressure|systolic) ~ to [4-8]\d(?:/\d\d)?, (?:bp|blood pressure) ~ [4-8]\d over [2-5]\d
        [4-8]\d/[1-5]\d ?mm ?hg, (?:map|mean arterial pressure)IS ?[3-5]\d(?! ?%)
        (?:bp|blood pressure) (?:is |was )?(?:unrecordable|undetectable|not recordable)
    """,
    "OXYGEN": r"""
        spo2, sp02, sao2, o2 ?sats?, sats, saturations?, oxygen (?:saturations?|levels?|sats?)
        pulse ?ox(?:imet\w+)?, oximeter
    """,
    "RATE": "(?:heart ?rate|hr|pulse|pulse rate|ventricular rate)IS",
    "BREATHS": "(?:rr|resp(?:iratory|iration)? rate|resps?|respirations|breathing rate)IS",
    "TEMPERATURE": "(?:temperature|temp|tmax|core temp(?:erature)?)IS",
    # Between a thing and its number.
    "IS": r"(?: FILLER)*(?: ?[:=<>])?",
    "FILLER": """
        is, of, was, were, at, are, now, only, about, around, just, still, level, score, count, reading, reads?, shows?
        over, above, up, down, to, has, been, dropped, fell, fallen, dropping, falling, gone, went, come, came, back, as
        low, high, on, arrival, air, in, the, room, today, this, am, pm, morning
    """,
}
