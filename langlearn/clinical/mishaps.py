"""Injury, blood, poison, mother and baby, self-harm, as people tell them: a table in the manner of words.py."""

MISHAPS = {
    # Injury and blood
    "head injury": r"""
        head (?:injur\w+|trauma|wound), (?:blow|hit|kick|knock|bang) (?:to|on) ~ head, head (?:hit|struck|first)
        skull fracture, HIT ~ head, concuss\w+
        (?:hit|struck|kicked|punched|bang\w*|knock\w*|hurt|cracked) ~ (?:temple|skull|forehead|back of ~ head)
        (?:fell|fall|landed|dropped|dived|thrown) ~ (?:on|onto|hitting) ~ head
        (?:hit|struck) (?:on|in|over) the (?:head|face)
    """,
    "fall or crash": r"""
        FELL (?:off|from|out of) (?:\w+ ){0,3}HEIGHT, FELL (?:down|downstairs), assault\w*
        (?:car|road|traffic|bike|motor\w*|vehicle) (?:\w+ )?(?:crash|accident|collision), rta, rtc, mvc, mva, run over
        hit by a (?:car|van|bus|truck)
        (?:dived|diving|dove) ~ (?:shallow|pool|head first|sea|lake), rugby tackle, scrum
        (?:had|after|post|following) (?:a |the )?(?:bad |nasty |heavy )?fall
    """,
    "knocked out": r"""
        knocked (?:out|unconscious|cold|him out|her out|me out), (?:loss of|los[ts]|losing) consciousness, passed out
        black(?:ed)? out, was out (?:cold|for)
        knocked (?:\w+ )?(?:unconscious|senseless), (?:out|unconscious) for (?:\w+ ){0,3}(?:seconds|minutes?|min)
    """,
    "worse after head injury": r"""
        vomit\w*, threw up, throwing up, being sick, amnesia, (?:can't|doesn't|couldn't) remember, memory loss
        blood thinn\w+, pupils? ~ (?:bigger|larger|dilated|unequal), unequal pupils
        (?:clear|watery) (?:fluid|liquid) ~ (?:nose|ears?), (?:blood|bleeding) ~ ears?, battle's sign, raccoon eyes
        warfarin, anticoag\w+, apixaban, rivaroxaban
        (?:clear|watery|straw colored) (?:fluid|liquid|discharge) ~ (?:nose|ears?|nostrils?), dabigatran, edoxaban
        eliquis
        xarelto, coumadin, (?:dent|soft spot|hole) in ~ (?:head|skull), keeps (?:repeating|asking)
        (?:double|blurred) vision
        bruis\w* ~ (?:around|under) both eyes, black eyes, 1 pupil, one pupil
    """,
    "head sign": r"""
        (?:clear|watery|straw colored) (?:fluid|liquid|discharge) ~ (?:nose|ears?|nostrils?)
        (?:blood|bleeding) ~ (?:from|in) ~ ears?
        bruis\w* ~ (?:around|under) both eyes, battle's sign, raccoon eyes
        pupils? ~ (?:bigger|larger|unequal|dilated|blown), amnesi[ac], memory loss
        can't remember (?:\w+ ){0,4}(?:hours?|accident|fall|crash|happened|happening)
        unequal pupils
    """,
    "paralyzed below": r"""
        can't (?:move|feel) (?:\w+ ){0,3}(?:legs|arms|arms or legs|limbs|toes|fingers|anything|body), paraplegi\w+
        quadriplegi\w+
        tetraplegi\w+, sensory level, (?:legs|arms and legs) ~ paralyzed
        no (?:feeling|movement|sensation) ~ (?:below|legs)
    """,
    "major bleeding": r"""
        (?:bleed\w*|blood|nose ?bleed|hemorrhag\w+) ~ FAILS (?:\w+ )?(?:stop\w*|slow\w*|control\w*)
        (?:can't|won't|doesn't|not) (?:stop|control|stopping) ~ bleed\w*
        bleed\w* (?:\w+ )?(?:heavily|profusely|badly|uncontroll\w+|to death), uncontroll\w+ ~ (?:bleed\w*|hemorrhag\w+)
        (?:heavy|massive|severe|profuse|arterial|significant) (?:vaginal )?(?:bleed\w*|blood loss|hemorrhag\w+)
        blood ~ (?:spurt|gush|pour|pump|squirt)\w*, (?:spurt|gush|pour|pump|squirt)\w* ~ blood
        lost (?:a lot|lots|liters|so much) of blood
        (?:soaked|soaking|bled|soaks) (?:\w+ )?(?:through )?(?:\w+ ){0,2}(?:towels?|pads?|dressings?|bandages?|sheets)
        (?:cut|chopped|tore|sliced) (?:\w+ ){0,2}PART off, (?:is|it's|keeps|was) (?:spurting|gushing|pumping)
        (?:losing|lost) (?:\w+ )?(?:\w+ )?(?:a lot of|lots of|so much|too much) blood
        blood (?:is )?(?:all over|everywhere), bleeding (?:out|non ?stop|a lot|like crazy)
        (?:severed|amputated|cut off|chopped off) (?:\w+ ){0,2}PART, stabbed, stab wounds?, gun ?shot, been shot
        was shot, impaled
        (?:cut|chopped|tore|sliced|ripped|bitten|bit|sawed|sawn|taken|crushed) ~ PART ~ off
        (?:lost|severed|amputated) ~ (?:tip|end) of ~ PART
        (?:nose ?bleed\w*|bleeding) ~ (?:for|over|after|lasting) (?:\w+ )?(?:\w+ )?(?:hours?|[2-9]\d min\w*)
        (?:pouring|running|streaming|gushing|trickling) down ~ (?:throat|leg|legs|arm|face), nicked an artery
        cut ~ artery
        (?:lots|loads|a lot|large amounts?) of (?:\w+ ){0,3}blood(?! (?:tests?|pressure))
        (?:pints?|cupfuls?|bowlfuls?|liters?|buckets) of (?:\w+ ){0,3}blood(?! (?:tests?|pressure))
        toilet ~ (?:full of|red with|filled with) blood
        (?:blood|clots) ~ (?:fill\w*|all over) ~ (?:toilet|bowl|pan|bed)
        (?:lost|losing|loss of|lose|bled) (?:about |around |over |at least )?(?:[1-9]\d{3}|[5-9]\d\d) ?ml
        (?:lost|losing) (?:\w+ ){0,2}(?:pints?|liters?) of blood, tourniquet (?:on|applied|in place)
        HAVING internal bleeding
        variceal (?:bleed\w*|hemorrhage), (?:blood|bleeding) (?:is )?(?:soaking|coming) through
    """,
    "vomiting blood": r"""
        (?:vomit\w*|throw\w* up|threw up|bringing up|puking) ~ blood(?! (?:pressure|sugar)), hematemesis
        coffee ground\w*, blood ~ vomit, massive hemoptysis
        cough\w* up (?:lots|a lot|large amounts|cupfuls?|clots) of ~ blood
        (?:being|was|been|is|am) sick ~ blood(?! (?:pressure|sugar|tests?)), (?:blood|bloody) ~ (?:vomit|sick)(?! with)
        (?:like|of) (?:ground coffee|coffee (?:grounds?|granules|dregs))
        (?:vomit\w*|sick) ~ (?:like coffee|coffee ground\w*), spew\w* ~ blood
    """,
    "blood in stool": r"""
        melena, tarry stools?, black (?:and )?tarry, blood\w* ~ (?:stools?|toilet|rectum|back passage), rectal bleeding
        hematochezia
        (?:poo|poop|stools?|motions?|feces|bowel movements?) ~ (?:black|tar|tarry|bloody|maroon|red)
        black ~ (?:poo|poop|stools?|motions?|feces), (?:passing|passed|pooing|pooping) ~ (?:blood|clots)
        pr (?:bleed\w*|blood)
        (?:blood|clots) ~ (?:poo|bowels?|bottom|bum|back passage|rectum|anus|toilet), brbpr, blood per rectum
        maroon stools?
    """,
    "tarry stool": r"""
        melen\w+, tarry, (?:poo|poop|stools?|motions?) ~ (?:like tar|tar like|sticky and black|black and sticky)
        black,? (?:and )?(?:sticky|shiny|smelly) (?:poo|poop|stools?|motions?)
    """,
    "bleeding": r"""
        (?<!gums.)(?<!gum.)(?<!nose.)bleed\w*(?! gums?), blood loss, spotting, passing clots, hemorrhag\w+, bled
        (?:pv|vaginal) (?:bleed\w*|blood|loss), losing blood
        blood ~ (?:knickers|underwear|panties|pad|vagina|toilet|down below)
    """,
    "limb without blood": r"""
        (?:leg|arm|foot|hand|limb) ~ COLD,? (?:and )?(?:COLD|numb|painful)
        COLD,? (?:and )?(?:COLD|numb|painful) (?:leg|arm|foot|hand|limb), acute limb ischemia
        HAVING compartment syndrome
        (?:leg|arm|foot|hand|limb|toes|fingers) ~ COLD,? (?:and )?(?:COLD|numb|painful|mottled|can't (?:move|feel))
        (?:leg|arm|foot|hand) ~ (?:dead cold|ice cold|stone cold|icy), (?:ice|stone|icy) cold (?:leg|arm|foot|hand)
        HAVING critical limb ischemia
        (?:cut|chopped|tore|sliced|ripped|bit|bitten|sawed|sawn|crushed) ~ PART ~ off
        (?:severed|amputated|amputation of) (?:\w+ ){0,3}PART
        (?:lost|severed|amputated|cut off|chopped off) ~ (?:tip|end) of ~ PART, (?:traumatic|partial) amputation
        degloved, degloving, crush (?:injury|syndrome)
        (?:sawed|sawn|cut|sliced|chopped) (?:right |clean )?through (?:\w+ ){0,2}PART
        bone (?:is )?(?:sticking|poking|coming|stuck) (?:out|through), (?:open|compound) fracture
        (?:leg|arm|hand|foot) ~ crushed under
    """,
    "cast": r"""
        (?:in|plaster) (?:a )?cast, cast (?:is|on|feels), plaster cast, (?:below|under|in) (?:the |THE )?plaster
        backslab, tibial fracture
        (?:broken|fractured) (?:\w+ )?(?:leg|arm|shin|forearm|tibia|elbow)
    """,
    "toes numb or blue": r"""
        (?:fingers?|toes?|foot|hand) ~ (?:numb|blue|white|cold|purple|gray|can't move|tingl\w+)
        can't (?:move|feel|wiggle) ~ (?:fingers|toes)
        pain ~ despite (?:morphine|strong|pain ?killers|opioids?)
    """,
    "limb discolored": r"""
        (?:leg|arm|foot|hand|limb) ~ (?:turned|gone|went|going|is|looks) (?:\w+ )?(?:white|blue|cold)
        (?:leg|arm|foot|hand|limb) ~ (?:turned|gone|went|going|is|looks) (?:\w+ )?(?:black|purple|mottled|pale)
    """,
    "serious burn": r"""
        (?:large|serious|severe|deep|third degree|3rd degree|full thickness|extensive) ~ burns?
        (?:electrical|chemical|major) burns?
        (?:burns?|burnt|burned) ~ (?:face|airway|throat|genitals|entire|all over|both)
        clothes ~ on fire, set on fire, (?:scald\w*|boiling \w+|hot oil) ~ (?:face|baby|toddler|child|chest)
        (?:baby|toddler|child|infant) ~ (?:scald\w*|boiling), electrocut\w*, struck by lightning
        (?<!like.an.)(?<!like.)electric shock(?! (?:like|sensation|feeling|pain|therapy))
        smoke inhalation, (?:inhaled|breathed in) ~ smoke
        soot ~ (?:nose|nostrils|nasal|mouth|airway|sputum|face)
        singed (?:\w+ )?(?:hair|eyebrows|eyelashes|nostrils|beard)
        (?:house|flat|building|car|kitchen) fire (?:victim|survivor|with|and)
        (?:rescued|pulled|escaped|trapped) (?:from|in) ~ (?:fire|burning)
        charred, (?:skin|burn\w*|white|gone) ~ leathery
        (?:burns?|burned|burnt) ~ (?:painless|doesn't hurt|no feeling|can't feel|to the bone)
        (?:clothes|hair|shirt|dress|pajamas|sleeve|he|she|i) ~ (?:caught fire|caught alight|went up in flames)
        in flames, (?:fell|rolled|stepped) (?:\w+ ){0,3}(?:fire|bonfire|flames|embers), explosion, exploded in
        (?:grabbed|touched|held|hit|cut) ~ (?:live|mains) (?:cable|wire|line|rail|socket|fence)
        (?:grabbed|touched|held|hit|cut) ~ (?:power|high voltage|electric\w*) (?:cable|wire|line|rail|socket|fence)
        (?:shock\w*|zapped|jolt) ~ (?:from|off|by) ~ (?:cable|wire|socket|plug|mains)
        (?:shock\w*|zapped|jolt) ~ (?:from|off|by) ~ (?:outlet|appliance|toaster|power|pylon)
        (?:finger|fork|knife|key|metal) ~ (?:plug|electric\w*|mains|power|wall)? ?(?:socket|outlet), high voltage
        overhead (?:line|cable)
        (?:strong|battery|sulfuric|sulphuric|hydrochloric|hydrofluoric|nitric|concentrated) acid
        acid (?:attack|burns?), (?:caustic|alkali) burns?
        (?:spill\w*|splash\w*|thrown|threw|poured) ~ (?:acid|lye|caustic \w+|alkali)
        (?:spill\w*|splash\w*|thrown|threw|poured) ~ (?:drain cleaner|oven cleaner|bleach|cement)
        (?:acid|lye|caustic \w+|alkali|drain cleaner|oven cleaner) ~ (?:spill\w*|splash\w*|thrown|all (?:over|down))
    """,
    "burn": r"""
        burns?, burnt, burned, scald\w*, blister\w*, (?:skin|it) ~ peel\w+ (?:off|away), raw skin
    """,
    "hot thing": r"""
        (?:hot|boiling|scalding) (?:water|tea|coffee|soup|oil|fat|milk)
        (?:hot|boiling|scalding) (?:drinks?|liquid|chocolate|noodles|iron|oven|bath|stove)
        kettle, steam
        (?:cup|mug|pan|pot|bowl|teapot|jug) of (?:\w+ )?(?:tea|coffee|soup|water|noodles|chocolate|oil|porridge)
        sauce ?pan, chip pan, fryer
        hair straighteners?, fireworks?, bonfire, radiator
    """,
    "spilled over": r"""
        (?:spill\w*|spilt|pull\w*|tip\w*|pour\w*|splash\w*|knock\w*|upset) ~ (?:over|on|onto|down|into)
        (?:fell|climbed|stepped|sat) (?:in|into|on|onto)
    """,
    "delicate or wide": r"""
        face, hands?, neck, genitals?, groin, feet, foot, both (?:\w+ )?(?:legs|arms|thighs), chest, belly, back
        whole (?:arm|leg|hand|body)
    """,
    # Poison
    "overdose": r"""
        overdosed, overdosing, (?:taken|took|taking|had) ~ overdose, HAVING overdose, overdose of \d
        TOOK ~ (?:too many|too much|whole|all|PACK'? of|MANY) ~ (?:MEDICINE|DRUG)
        TOOK ~ (?:mother|father|mum|mom|dad|husband|wife|someone|grand\w+)'s ~ MEDICINE
        (?:SWALLOWED|got into|breathed in|chewed|chewing|licked|bit into) ~ POISON, took poison
        carbon monoxide (?:alarm|poison\w*|exposure|leak), (?:co|carbon monoxide) alarm, HAVING poisoned, poisoned
        (?:heroin|fentanyl|opioids?|opiates?) ~ (?:pinpoint|slow breathing|barely breathing), snake ?bite
        bitten by ~ snake
        (?:ingest\w*|swallow\w*|took|taken) (?:\w+ ){0,3}unknown (?:quantity|amount|number)
        unknown (?:quantity|amount|number) of ~ (?:MEDICINE|DRUG)
        (?:took|given|gave|injected|taken) ~ (?:10 times|ten times|10x|triple) ~ (?:dose|insulin|MEDICINE|DRUG)
        (?:took|given|gave|injected|taken) ~ (?:5 times|5x|too much|too many) ~ (?:dose|insulin|MEDICINE|DRUG)
        (?:injected|took|given|gave) ~ (?:too much|whole (?:pen|vial)|wrong) (?:of )?(?:the )?insulin
        staggered overdose, od'e?d
        TOOK (?:\w+ ){0,3}(?:[6-9]|[1-9]\d) ?(?:g|grams?) (?:of )?DRUG
        empty (?:packets?|pill|blister\w*) (?:\w+ ){0,4}(?:MEDICINE|DRUG|beside|next to|around|near)
        empty (?:bottles?|boxes|strips) (?:\w+ ){0,4}(?:MEDICINE|DRUG|beside|next to|around|near)
        (?:inhaled|breathing|exposed to) ~ (?:chlorine|ammonia|toxic|chemical) (?:gas|fumes)?, mixed bleach, gas leak
        carboxyhemoglobin, pinpoint pupils ~ (?:drows\w+|sleepy|breathing)
        (?:bitten|stung) by (?:\w+ ){0,3}(?:snake|adder|viper|cobra)
        (?:bitten|stung) by (?:\w+ ){0,3}(?:rattle\w*|scorpion|black widow|redback|box jellyfish)
        HAVING (?:alcohol poisoning|serotonin syndrome|neuroleptic malignant), cholinergic (?:crisis|toxidrome)
        (?:drank|downed|drunk) (?:a |the )?(?:whole |entire |full )(?:bottle|liter) of (?:vodka|whisk\w+)
        (?:drank|downed|drunk) (?:a |the )?(?:whole |entire |full )(?:bottle|liter) of (?:rum|gin|spirits)
    """,
    "child": """
        toddlers?, baby, infant, newborn, child, kid
        (?:[1-9]|1[0-2]) ?(?:yo|y/o|yrs? old|years? old|yr old|months? old|mo old)
        little (?:boy|girl|one|lad|brother|sister), THE (?:son|daughter|grandson|granddaughter|grandchild)
    """,
    "swallowed medicine": """
        EATEN ~ (?:MEDICINE|DRUG|vitamins?|gummies|inhaler|patch|contraceptive|antibiotics?|drugs?)
    """,
    "drug taken": """
        (?:TOOK|overdose of|ingestion of) ~ (?:DRUG|MEDICINE), (?:DRUG) (?:overdose|ingestion|toxicity)
    """,
    "fumes source": "FUMING ~ (?:indoors|inside|tent|garage|room|caravan|cabin)",
    "pinpoint pupils": """
        pin ?point (?:pupils|eyes), pupils ~ (?:pin ?point|tiny|pin ?pricks?), tiny pupils, mios[ie]s
    """,
    # Mother and baby
    "pregnant": r"""
        pregnan(?:t|cy)(?! test), positive pregnancy test, pregnancy test ~ positive
        \d+ weeks?'? (?:gestation|pregnant), at \d+ weeks, gestational age, missed (?:\w+ )?periods?
        period ~ (?:late|missed), (?:third|first|second) trimester
        (?:i'm|i am|im|she's|she is) (?:about |nearly |almost |only |just |over )?WEEKS(?= (?:and|with|now)|[.,;!?]|$)
        (?:wife is|daughter is|am|is|now) (?:about |nearly |almost )?WEEKS(?= (?:and|with|now)|[.,;!?]|$)
        (?:wife is|daughter is|am|is|now) (?:only |just |over )?WEEKS(?= (?:and|with|now)|[.,;!?]|$)
        WEEKS (?:along|gone|preggo|expecting|pg), (?:i'm|she's|am|is|be) expecting
        THE waters? (?:have |has )?(?:broke\w*|went|gone|leak\w*)
        (?:in|into) (?:early |active |preterm )?labor, contractions
        (?:carrying|expecting) (?:\w+ )?(?:baby|twins|triplets)
        baby bump
    """,
    "after birth": r"""
        post ?partum, (?:after|since) (?:giving birth|birth|delivery|childbirth|c section), gave birth
        delivered ~ (?:baby|days ago)
        had (?:a|my|our|her|the) (?:\w+ )?baby
        (?:days?|weeks?|hours?) (?:after|post) (?:birth|delivery|partum|c ?section|having)
        (?:just )?had a c ?section, puerper\w+, pnd?\d+
    """,
    "sharp or one-sided": """
        shoulder tip, tip of (?:my|her) shoulder, sharp, stabbing, one sided, left sided, right sided, unilateral
    """,
    "baby moves less": r"""
        baby ~ (?:moving less|moved less|not mov\w+|hasn't moved|stopped moving|isn't moving|stopped kicking)
        (?:reduced|decreased|no|less|fewer) (?:fetal|baby) mov\w+
        (?:can't|haven't|not|hasn't) (?:feel|felt) ~ baby ~ mov\w+, cord ~ (?:prolapse\w*|hanging|out)
        baby ~ (?:hasn't|has not|stopped|isn't|not|less) (?:kick\w*|mov\w*|wriggl\w*)
        (?:fewer|less|no) (?:kicks|kicking|movements)
        (?:bump|baby) ~ (?:gone quiet|very quiet|quieter|gone still)
        (?:can't|haven't) (?:feel|felt) ~ (?:kicks?|kicking|movement)
        cord ~ (?:hanging|sticking|coming|poking) (?:out|down|through), waters? ~ (?:green|brown|bloody|meconium)
    """,
    "no kicks": """
        hasn't (?:kicked|moved), no kicks, stopped (?:kicking|moving), can't feel (?:him|her|it) (?:kick|move|moving)
    """,
    "visual or liver signs": r"""
        (?:flashing|flashes of|flashes) (?:of )?lights?, blurr\w+ ~ (?:vision|eyesight)
        (?:vision|visual|eyesight) ~ (?:blur\w*|disturb\w+|spots|changes), seeing (?:stars|spots|flashing|double)
        upper (?:abdominal|right) ~ pain, pain ~ ribs, (?:swollen|swelling) ~ (?:face|hands)
        (?:see|seeing|sees) ~ zigzags?, (?:zigzag|flash\w*|sparkl\w+|spots) ~ (?:eyes?|vision|lights?)
        (?:pain|hurts) ~ (?:under|below) ~ ribs
        ruq pain
        epigastric pain
    """,
    "belly was hit": """
        (?:fell|landed|kicked|punched|hit|blow) ~ (?:belly|stomach|tummy|bump|abdomen), car (?:crash|accident)
        fell down ~ stairs
    """,
    "ectopic": r"""
        HAVING (?:ectopic|tubal)(?: pregnancy)?, ruptured ectopic, HAVING eclampsia, placental abruption
        hellp syndrome, placenta(?:l)? (?:abrupt\w*|previa bleeding), HAVING (?:pre ?eclampsia|abruption)
        uterine rupture, shoulder dystocia
    """,
    "young infant": r"""
        newborn, neonat\w+, (?:[1-9]|1[0-2]) weeks? old, (?:[1-9]|[1-2]\d) days? old, [12] months? old
        (?:under|younger than|less than) 3 months
        (?:[1-9]|1[0-2]) ?(?:wk|w|/52)s?(?: |-)?(?:old|baby|infant|girl|boy), [12]/12(?: old)?
        day (?:[1-9]|[12]\d) of life
        (?:[1-9]|1[0-2]) weeks? (?:baby|infant|girl|boy), born (?:yesterday|last week|[1-9]\d? (?:days|weeks) ago)
        [12] months? (?:baby|infant)
    """,
    "infant": r"""
        baby, infant, newborn, neonat\w+(?! seizures?), \d+ (?:weeks?|days?) old, (?:[1-9]|1[01]) months? old
        baby (?:boy|girl), (?:[1-9]|1\d|2[0-3]) ?(?:mo|mth|months?) (?:old|baby|infant), (?:[1-9]|1[01])/12
        day \d+ of life
    """,
    "floppy": r"""
        floppy, limp
        (?:not|won't|isn't|stopped|refus\w+ to|hasn't been) (?:feed\w*|drink\w*|tak\w+ (?:milk|bottle|feeds?)), grunting
        no wet (?:nappies|diapers), high pitched cry\w*, sunken (?:fontanel\w*|soft spot)
        (?:only|just) (?:had )?(?:1|one|a single) wet (?:nappy|diaper), (?:dry|not wet) (?:nappy|nappies|diapers?)
        sunken eyes, (?:like a )?rag ?doll
        (?:weak|feeble|moaning|whimpering) cry\w*, (?:moaning|whimpering)
        (?:hasn't|not) had a wet (?:nappy|diaper)
    """,
    "feeds poorly": r"""
        (?:doesn't|won't|didn't) want (?:\w+ )?(?:bottle|feeds?|milk|breast|boob)
        off (?:\w+ )?(?:feeds?|milk|bottle|food), refus\w+ (?:\w+ )?(?:feeds?|bottle|milk|breast)
        (?:poor|poorly|barely|hardly|less|reduced) (?:feed\w*|sucking|suck), feeding (?:poorly|badly|less|half)
        (?:hasn't|not) (?:fed|feeding|woken for)
        won't (?:latch|suck|wake for), not waking for
    """,
    "green vomit": r"""
        bilious, (?:green|bile stained) (?:vomit\w*|sick), vomit\w* ~ (?:green|bile), green ~ vomit\w*
        throwing up green, projectile vomit\w*
    """,
    "breathing pauses": r"""
        (?:stops?|stopped|pauses?|paused|pausing) ~ breath\w*, breath\w* ~ (?:stops?|stopped|pauses?|paused), apne\w+
        brue
    """,
    "ill soon after birth": r"""
        (?:yellow|jaundice\w*) ~ (?:first day|24 hours|hours old|day 1)
        (?:navel|umbilic\w+|cord stump|belly button) ~ (?:red|pus|infect\w*|smell\w*)
    """,
    # Self-harm: what the person says, or what is said of them
    "self-harm": r"""
        (?:kill|hurt|harm|cut|hang|shoot|drown|poison|starve)(?:ing|ting)? (?:my|him|her|them|your)sel(?:f|ves), unalive
        suicidal, suicidality, (?:kill|hurt|harm)(?:ing)? (?:her|my|the) (?:own )?baby
        suicid(?:e|al) (?:\w+ )?(?:ideation|thoughts?|intent\w*|plans?|note|attempt\w*|urges?)
        MEANS (?:of |about |to )?(?:commit |committing )?suicide
        WANTS (?:just )?(?:be dead|end it all|end it|end things|end everything|not exist|disappear forever)
        WANTS (?:just )?die(?! (?:laughing|of|in peace|at home|with))
        (?:end|ending|take|taking|took) (?:my|his|her|their) (?:own )?li(?:fe|ves), end(?:ing)? it all
        (?:wish|wishes|wished) (?:that )?(?:i|he|she) (?:was|were|could be) dead
        (?:don't|doesn't|didn't|no longer|not) (?:\w+ )?WANTS (?:be alive|exist|go on|wake up|be here|carry on)(?! with)
        (?:don't|doesn't|didn't|no longer|not) (?:\w+ )?WANTS live(?! (?:with|in|at|near|alone|there|together))
        (?:wish|wishes|wished) (?:i|he|she) (?:wasn't|weren't|had never been) (?:alive|born)
        better off (?:dead|without me)
        (?:no|any) (?:reason|point) (?:to |in |of )?(?:live|living|go on|going on|being alive|carrying on)
        nothing (?:left )?to live for, life isn't worth, not worth living, self ?harm\w*, self ?injur\w+
        jump (?:off|from) (?:a |the )?(?:bridge|roof|building|balcony), (?:in front of|under) (?:a |the )?train
        slit\w* (?:my|his|her) wrists?, overdos\w+ on purpose, (?:intentional|deliberate)(?:ly)? ~ overdos\w+
        goodbye (?:notes?|letters?), painless(?:ly)? (?:way to )?(?:die|death), noose, tired of living
        (?:done|finished) with life, (?:sleep|go to sleep) forever
        (?:should|rather|happier if i) (?:be|was|were) (?:dead|gone), point of living
        (?:how many|enough|lethal|fatal) (?:\w+ ){0,6}?(?:to die|kill me|end it)
        can't (?:go on|live) (?:any ?more|like this any ?more)
        (?:stockpil|hoard|sav)\w+ (?:up )?(?:my |her |his )?(?:pills|tablets|medication|meds)
        (?:stockpil|hoard|sav)\w+ up (?:my |her |his )?(?:amitriptyline|insulin|paracetamol|diazepam|morphine|opioids?)
        (?:don't|can't|doesn't) see (?:a |any |the )?(?:reason|point) (?:to |in |of )?(?:be|liv\w+|go|carry\w*|stay\w*)
        voices? ~ tell\w* ~ (?:kill|harm|hurt|jump|die)
        (?:driv|crash)\w+ (?:\w+ ){0,3}(?:into a (?:wall|tree|lorry|truck)|off a (?:cliff|bridge))
        don't feel safe with myself
        (?:hanged|hung) (?:my|him|her)self, bought (?:a )?rope
        (?:walk|step) in front of (?:a )?(?:train|bus|lorry|car|traffic)
    """,
}
