"""How people put a medical finding into words, as a table.

Phrasings are separated by a comma or a new line. In one, a space also meets hyphens, ` ?` an optional space, ` ~ ` is a
gap of up to six words (no comma, no "not"), a word in capitals stands for the list of WORDS; the rest is a regular
expression. It meets text that safety.plain() made uniform: lower case, American spelling, figures for numbers, "can't"
for "cannot" and "unable to", "isn't" for "is not". Whether a finding is denied, past, someone else's or hypothetical is
decided in negation.py.
"""

# A word in capitals stands for one of these.
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
    "THE": "my, the, his, her, their, your, our",
    "NOW": "is, am, still, keeps, he's, she's, i'm, currently, now",
    "FAILS": "not, no, isn't, doesn't, won't, can't, hasn't, wouldn't",
    "ACHE": "pain, pressure, tightness, heaviness, squeezing, weight, discomfort, ache, band, burning, elephant",
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
        (?:sugars?|glucose|bg|bm)(?: levels?)?(?: (?:is|of|was|at|are|reads?|shows?|over|above|around|down to))*
    """,
    "TOOK": r"took, taken, taking, SWALLOWED",
    "SWALLOWED": r"swallow\w*, ingest\w*, drank, drunk, drinking, ate, eaten, eating, downed",
    "MANY": r"[1-9]\d+(?! ?(?:mg|mcg|ug|g|ml|units?|days?|weeks?|months?|years?)\b)",
    "POISON": r"""
        bleach, anti ?freeze, button batter\w+, battery, batteries, magnets?, detergent, laundry pods?, dishwasher \w+
        pesticide\w*, insecticide\w*, weed ?killer, rat poison, (?:drain|oven) cleaner, cleaner, cleaning \w+
        caustic, corrosive, methanol, white spirit, petrol, gasoline, kerosene, lamp oil, paint thinner, poison\w*
        death cap, wild mushrooms?
    """,
    "MEDICINE": "pills, tablets, capsules, medication, medicine",
    "DRUG": r"""
        paracetamol, acetaminophen, tylenol, aspirin, ibuprofen, pain ?killers?, opioids?, antidepressants?
        sleeping \w+
    """,
    "WANTS": r"""
        (?:want|wants|wanted|wanna|going|gonna|ready|rather|wish|wishes|hoping|planning|plans?|intends?|like)(?: to)?
    """,
    "MEANS": r"""
        plan\w*, thinking, think, thoughts?, contemplat\w+, consider\w*, attempt\w*, commit\w*, want\w*, tried
        threat\w+
    """,
}

FINDINGS = {
    # Chest
    "chest pain": r"""
        chest pains?
        chest (?:is |feels? |felt |was )?(?:so |very |really )?(?:tight|tightness|tightening|heavy|heaviness)
        chest (?:pressure|discomfort|hurts?|hurting|aches?|aching|squeezing), angina, substernal ~ (?:pain|pressure)
        ACHE ~ (?:chest|breastbone|sternum|heart), (?:breastbone|sternum|retrosternal) ~ (?:pain|pressure)
        (?:chest|heart) (?:is )?(?:killing|hurts|hurting), sitting on (?:THE )?chest, clutch\w* ~ chest
        chest feels like
    """,
    "crushing": """
        crushing, squeezing, vice like, elephant, (?:heavy|huge) weight, sitting on, standing on, tight band
        heavy pressure, central chest pain
    """,
    "at rest": """
        (?:even|comes on|came on|occurs?|started|pain) at rest, while (?:he |she |i )?(?:was |were )?(?:at rest|resting)
    """,
    "severe": """
        severe, severely, excruciating, unbearable, agony, agonizing, worst, intense, terrible, 10/10, 10 out of 10
    """,
    "sudden": """
        sudden, suddenly, abrupt, abruptly, out of nowhere, acute, acutely, woke (?:me|him|her) ~ with, woken by
    """,
    "spread to arm or jaw": """
        SPREADS ~ (?:arms?|jaw|neck|back|shoulders?)
        (?:down|into|in|up) (?:my |the |his |her |both |left |right )*(?:arms?|jaw), jaw (?:pain|aches?|aching|hurts)
        (?:left|both) arms? ~ (?:pain|painful|numb|numbness|aches?|aching|hurts?|hurting|tingling|heavy)
    """,
    "sweating": """
        sweat, drenched, dripping, sweats, sweaty, sweating, diaphoresis, diaphoretic, clammy, ashen
        (?:gone|looks?|is|very|so) (?:gray|pale)
    """,
    "breathless": r"""
        short(?:ness)? of breath, breathless\w*, dyspne\w+, out of breath, wheez\w+, sob, tachypne\w+
        respiratory distress, (?:trouble|difficulty|problems?|hard|struggling|labored) (?:in |with |to )?breath\w*
        (?:fast|rapid|labored) breathing, breathing ~ (?:difficult\w*|hard|fast|rapid\w*|labored)
        can't (?:get|catch) (?:THE|enough) (?:breath|air), can't breathe? (?:properly|well)
        (?:struggl|gasp)\w+ ~ (?:breath\w*|air)
    """,
    "faint": r"""
        faint\w*, pass(?:ed|ing|es)? out, syncop\w+, collaps\w+, black(?:ed|ing)? out, light ?headed\w*
        (?:lost|loss of) consciousness
    """,
    "vomiting": r"vomit\w*, nause\w+, throwing up, threw up, throws up, being sick, feels? sick, puking",
    "heart attack": """
        HAVING (?:heart attack|myocardial infarction|n?stemi|acute coronary syndrome), st (?:segment )?elevation
    """,
    "troponin raised": "troponin ~ (?:elevated|raised|high|positive), (?:elevated|raised|high|positive) ~ troponin",
    "tearing pain": "(?:tearing|ripping) ~ (?:pain|chest|back|abdomen), pain ~ (?:tearing|ripping)",
    "aortic emergency": r"""
        HAVING (?:aortic )?dissection, ruptur\w+ ~ (?:aneurysm|aaa|aorta), aneurysm ~ ruptur\w+
        pulsa\w+ ~ (?:mass|abdomen|tummy|belly)
    """,
    "coughing blood": r"cough\w* ~ blood, hemoptysis",
    "leg swollen": r"""
        (?:leg|calf|calves|thigh) ~ (?:swelling|swollen|tender\w*), (?:swelling|swollen|tender\w*) ~ (?:leg|calf)
    """,
    "lung clot": r"HAVING (?:pulmonary embol\w+|blood clot (?:in|on) THE lungs?)",
    # Breathing and consciousness
    "cannot breathe": r"""
        can't breathe?, (?:can't get|not getting|isn't getting) (?:any |enough )?air, suffocating
        (?:barely|hardly) breathe?, (?:struggl|fight|gasp)\w+ (?:for|to) (?:breathe?|air)
        gasping(?! (?:for breath|for air)? ?(?:at|during|in) (?:the )?night), stridor
        rapidly (?:progressing|worsening) breathless\w*
        severe(?:ly)? (?:\w+ )?(?:short(?:ness)? of breath|breathless\w*|dyspnea)
        severe(?:ly)? (?:\w+ )?(?:difficulty breathing|breathing difficult\w+)
        severe ~ (?:respiratory distress|asthma attack), acute respiratory (?:distress|failure), silent chest
        (?:breathless|short of breath|out of breath|wheezy) to (?:speak|talk|finish), (?:use of )?accessory muscles
        can't (?:speak|talk|finish|complete|say) ~ (?:sentences?|words?|breathless)
        can only ~ (?:words?) ~ (?:breath|time)
        (?:inhaler|nebulizer|puffer|ventolin|albuterol|salbutamol) ~ FAILS ~ (?:help\w*|work\w*)
    """,
    "blue lips": r"""
        (?:lips?|face|tongue|skin|baby|child|he|she|he's|she's|fingertips) (?:\w+ ){0,2}(?:blue|gray|purple)
        (?:blue|gray) (?:lips|face|around the mouth), cyano\w+, turn(?:ed|ing|s) blue
    """,
    "choking": r"""
        (?:is|am|was|started|he's|she's|i'm|be) choking, chok\w+ on
        (?:food|grape|toy|coin|meat|bone|something) ~ (?:stuck|lodged) ~ (?:throat|airway)
    """,
    "low oxygen": r"(?:oxygen|o2|sats?|saturations?|spo2) ~ [5-8]\d ?(?:%|percent|on)",
    "unconscious": r"""
        unconscious(?! bias), unresponsive(?! to (?!voice|pain|touch))
        (?:can't|nobody can|no one can|nobody could) (?:wake|rouse|arouse), out cold, lifeless, won't come (?:round|to)
        (?:no|without) signs of life, (?:won't|can't be|doesn't|isn't|not) (?:wake|waking|woken|rouse|roused)
        (?:not|isn't|doesn't) respond(?:ing)?(?! to (?!voice|pain|touch|me|us|him|her|anyone|anything))
        respond\w* only to pain, unrous\w+, unarous\w+, comatose, gcs (?:of |is |was )?[3-8](?!\d), no pulse, pulseless
        can't (?:find|feel) ~ pulse
    """,
    "not breathing": """
        (?:not|isn't|stopped|no longer|quit|wasn't) breathing, apneic, (?:in|had|having) (?:cardiac|respiratory) arrest
        heart (?:has |have )?stopped
    """,
    "drowned": r"drown(?:ed|ing)(?! in (?:debt|work|\w*paper\w*)), pulled ~ (?:pool|river|sea|lake)",
    "drowsy": r"""
        drows\w+, letharg\w+, (?:very|too|so|unusually|abnormally|really|increasingly) sleepy
        (?:hard|difficult) to (?:wake|rouse), obtunded
    """,
    "confused": r"""
        confus\w+, disorient\w+, deliri\w+, altered (?:mental|conscious)\w*, mental status, doesn't know where, rambling
        not making (?:any )?sense, isn't making (?:any )?sense
    """,
    # Brain, nerves, spine
    "face drooping": r"""
        (?:face|facial|mouth|smile|cheek|lip) ~ DROOPS, droop\w* ~ (?:face|mouth|smile|lip), facial weakness
        lop ?sided (?:face|smile), (?:face|mouth) fell
    """,
    "one side weak": r"""
        (?:arms?|leg|hand|side|limbs?) ~ (?:weak\w*|numb\w*|paraly\w+|dead|limp|useless|won't move|can't move)
        (?:weak\w*|numb\w*|paraly\w+|no strength|no power) ~ (?:arms?|leg|hand|side|left|right), hemipar\w+, hemipleg\w+
        can't (?:\w+ )?(?:move|lift|raise|feel|use) ~ (?:arms?|leg|hand|side), arm ~ (?:drift\w*|drops?|falls)
        lost ~ use of ~ (?:arm|leg|hand|side)
    """,
    "half of the body": "(?:one|left|right) (?:half|side) of THE body",
    "speech slurred": r"""
        (?:speech|words?|talking|speaking) ~ (?:slur\w*|garbled|jumbled|gibberish|nonsense|mumbl\w+)
        slur\w* (?:\w+ )?(?:speech|words?), slurring, (?:trouble|difficulty) (?:speaking|talking)
        (?:words?|speech) ~ (?:wrong|funny|strange|weird)
        (?:talks?|talking|speaks?|speaking|sounds) (?:funny|strange|weird), aphasi\w+, dysarthri\w+
        can't (?:suddenly )?(?:get|find|understand|form) ~ words?
        (?:suddenly ~ )?can't (?:speak|talk) (?:properly|clearly|right), suddenly can't (?:speak|talk|understand)
    """,
    "stroke": """
        HAVING (?:stroke|tia|cerebrovascular accident|brain (?:bleed|hemorrhage))(?! (?:clinic|unit|rehab|risk))
        stroke SOMEONE
    """,
    "headache": """
        head ?aches?, migraine, pain in THE head, head (?:is |was )?(?:hurts?|hurting|pounding|exploding|splitting)
    """,
    "thunderclap headache": """
        (?:worst|thunder ?clap|explosive) ~ head ?ache, head ?ache ~ (?:worst|thunder ?clap), hit ~ head with a
        (?:sudden|suddenly|abrupt) ~ (?:severe|excruciating|intense|terrible|blinding|splitting|massive) ~ head ?ache
        (?:severe|intense|excruciating) ~ head ?ache ~ (?:suddenly|seconds|instantly), subarachnoid hemorrhage
        (?:sudden|abrupt) onset ~ head ?ache, head ?ache ~ (?:sudden onset|peaked|within seconds|in seconds)
    """,
    "seizure": r"""
        seizures?, (?:a|another|the|his|her) fit(?! (?:and|with|of|adult|man|woman|person))
        fits?(?= (?:lasting|for|since)), having fits, eyes rolled back, foaming, (?:was|been|keeps|started) fitting
        convuls\w+, epileptic fit, seized, (?:jerking|shaking) (?:uncontroll\w+|all over)
    """,
    "seizure now": r"""
        NOW (?:\w+ )?(?:fitting|seizing|convulsing)
        NOW (?:\w+ )?having (?:a|another|repeated) (?:seizure|fit|convulsion), status epilepticus
    """,
    "long or repeated": r"""
        (?:[2-9]|two|several|multiple|repeated|more) (?:seizures|fits|convulsions)
        (?:[5-9]|[1-9]\d+)(?: (?:to|or) \d+|-\d+)? ?min\w*, (?:half|quarter of) an hour, (?:an|1|2|3) hours?
        (?:won't|not|hasn't|doesn't|isn't) stop\w*, one after (?:another|the other), back to back, without stopping
    """,
    "first time": """
        first (?:ever |time )?(?:seizure|fit|convulsion), never had (?:a|one|any) ~ (?:seizure|fit|before)
        new onset seizure
    """,
    "head injury": r"""
        head (?:injur\w+|trauma|wound), (?:blow|hit|kick|knock|bang) (?:to|on) ~ head, head (?:hit|struck|first)
        skull fracture, HIT ~ head, concuss\w+
    """,
    "knocked out": """
        knocked (?:out|unconscious|cold|him out|her out|me out), (?:loss of|los[ts]|losing) consciousness, passed out
        black(?:ed)? out, was out (?:cold|for)
    """,
    "worse after head injury": r"""
        vomit\w*, threw up, throwing up, being sick, amnesia, (?:can't|doesn't|couldn't) remember, memory loss
        blood thinn\w+, pupils? ~ (?:bigger|larger|dilated|unequal), unequal pupils
        (?:clear|watery) (?:fluid|liquid) ~ (?:nose|ears?), (?:blood|bleeding) ~ ears?, battle's sign, raccoon eyes
        warfarin, anticoag\w+, apixaban, rivaroxaban
    """,
    "back or leg trouble": r"""
        back ?(?:aches?|pains?|hurts?|injury|spasm), sciatica, pain ~ back, (?:slipped|herniated|prolapsed) dis[ck]
        legs? ~ (?:weak\w*|numb\w*|pains?|tingl\w+), (?:weak\w*|numb\w*|pain) ~ legs?, can't (?:move|feel) ~ legs
    """,
    "saddle numbness": r"""
        saddle (?:anesthesia|numbness|area|region|paresthesia), NUMB ~ SEAT, SEAT ~ (?:numb\w*|no feeling)
    """,
    "bladder or bowel lost": r"""
        (?:lost|losing|loss of|no) ~ control ~ (?:bladder|bowels?|urine)
        (?:lost|losing|loss of|no) ~ (?:bladder|bowel) ~ control
        can't (?:control|hold|empty) ~ (?:bladder|bowels?|urine|pee)
        (?:bladder|bowel|urin\w+|fecal) (?:\w+ )?(?:incontinence|retention|dysfunction), incontinen\w+
        wet(?:ting)? (?:my|him|her)self
        (?:can't|hasn't been able to|haven't been able to) (?:pee|urinate|pass (?:any )?(?:urine|water)|wee)
        retention of urine, soil\w+ (?:my|him|her)self
    """,
    "cauda equina": "HAVING cauda equina",
    # Infection
    "fever": r"""
        fever\w*, febrile, (?:temperature|temp) ~ (?:3[89]|4[0-2]|10[1-7])(?:\.\d+)?
        (?:3[89]|4[0-2])(?:\.\d+)? ?(?:c|celsius|degrees), 10[1-7](?:\.\d+)? ?f, high temperature, rigors?
        (?:shaking|rigorous) chills, burning up
    """,
    "infection": r"wound ~ (?:red|pus|smells), infect\w+, pneumonia, cellulitis, uti, abscess, pyelonephritis, chills",
    "shock": r"""
        hypotensi\w+, low blood pressure, (?:blood pressure|bp) (?:is |of |was |at |now )*(?:[4-8]\d|90)(?:/\d+)?(?!\d)
        systolic ~ [4-8]\d(?!\d), mottled, cold and clammy, cold clammy
        (?:hasn't|haven't|not) (?:passed|passing|peed|urinat\w+), septic shock, in shock
    """,
    "sepsis": """
        HAVING (?:sepsis|septic)(?! arthritis), sepsis SOMEONE, urosepsis, septic shock, neutropenic sepsis
        necrotizing fasciitis
    """,
    "low immunity": r"chemo\w*, neutropeni\w+, transplant, immun\w+ ?suppress\w+, splenectomy, asplen\w+, no spleen",
    "stiff neck": r"""
        stiff\w* ~ neck, neck (?:is |was |feels? |very |so )*stiff\w*, (?:nuchal|neck) rigidity
        can't (?:touch|put|bend) ~ (?:chin|neck), mening\w*ism, kernig\w*
    """,
    "light hurts": r"""
        photophobi\w+, light (?:is )?hurt\w*, sensitiv\w+ to ~ light, can't (?:stand|bear|look at) ~ light
    """,
    "rash that does not fade": r"""
        non ?blanching
        (?:rash|spots?) ~ (?:doesn't|don't|won't|not|didn't|isn't) (?:\w+ )?(?:fade|fading|blanch|disappear|go away)\w*
        petechi\w+, purpur\w+, purple (?:rash|spots|blotches), (?:rash|spots) ~ purple
    """,
    "meningitis": r"HAVING (?:meningitis|meningococc\w+|encephalitis)(?! (?:vaccin|jab|belt)), meningitis SOMEONE",
    "bulging fontanelle": r"bulging (?:fontanel\w*|soft spot), (?:fontanel\w*|soft spot) ~ bulging",
    # Allergy
    "throat swelling": """
        (?:throat|tongue|airway|windpipe) ~ (?:swelling|swelled|swells|closing|closed up|closes|tightening|puffing)
        (?:swollen|swelling|closing|tightening) (?:of |in )?(?:THE )?(?:tongue|throat|airway), tongue ~ swollen
        angio ?edema
    """,
    "face or lips swelling": r"""
        (?:lips?|face|facial|eyes?|eyelids) ~ (?:swell\w*|swollen|puff\w*|blow\w* up|balloon\w*)
        (?:swell\w*|swollen|puffy) ~ (?:lips?|face|eyes?)
    """,
    "hives": r"hives, urticari\w+, (?:itchy|widespread|raised) ~ rash, welts, nettle rash, wheals, rash all over",
    "allergen": r"""
        pea ?nuts?, nuts?, cashews?, shell ?fish, shrimps?, prawns?, crab, sesame, eggs?
        (?:bee|wasp|hornet|insect) ?(?:sting|stings|bites?)?, stung, penicillin, amoxicillin, antibiotics?, latex
        allerg\w+, epi ?pen, (?:shot|jab|vaccin\w+)
        (?:minutes|right|shortly|just|soon) after (?:eating|taking|a|the|his|her)
    """,
    "just exposed": """
        (?:after|since|from) ~ (?:eating|ate|sting|stung|bite|taking|took|injection|meal), stung by
        (?:ate|eaten|eating)
    """,
    "allergic reaction": "allergic reaction, severe allergy, reaction to",
    "anaphylaxis": r"""
        HAVING (?:anaphyla\w+|anaphala\w+), anaphylactic (?:shock|reaction), anaphylaxis (?:SOMEONE|after)
    """,
    # Bleeding
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
    """,
    "vomiting blood": r"""
        (?:vomit\w*|throw\w* up|threw up|bringing up|puking) ~ blood(?! (?:pressure|sugar)), hematemesis
        coffee ground\w*, blood ~ vomit, massive hemoptysis
        cough\w* up (?:lots|a lot|large amounts|cupfuls?|clots) of ~ blood
    """,
    "blood in stool": r"""
        melena, tarry stools?, black (?:and )?tarry, blood\w* ~ (?:stools?|toilet|rectum|back passage), rectal bleeding
        hematochezia
    """,
    # Pregnancy; testicles and ovaries
    "pregnant": r"""
        pregnan(?:t|cy)(?! test), positive pregnancy test, pregnancy test ~ positive
        \d+ weeks?'? (?:gestation|pregnant), at \d+ weeks, gestational age, missed (?:\w+ )?periods?
        period ~ (?:late|missed), (?:third|first|second) trimester
    """,
    "after birth": """
        post ?partum, (?:after|since) (?:giving birth|birth|delivery|childbirth|c section), gave birth
        delivered ~ (?:baby|days ago)
    """,
    "bleeding": r"bleed\w*, blood loss, spotting, passing clots, hemorrhag\w+",
    "belly pain": r"""
        (?:abdom\w+|belly|tummy|stomach|pelvic|lower|iliac|side|shoulder) ~ (?:pains?|cramp\w*|ache|hurts?)
        pain ~ (?:abdomen|belly|tummy|stomach|pelvis|side|shoulder tip)
    """,
    "sharp or one-sided": "sharp, stabbing, one sided, left sided, right sided, unilateral",
    "baby moves less": r"""
        baby ~ (?:moving less|moved less|not mov\w+|hasn't moved|stopped moving|isn't moving|stopped kicking)
        (?:reduced|decreased|no|less|fewer) (?:fetal|baby) mov\w+
        (?:can't|haven't|not|hasn't) (?:feel|felt) ~ baby ~ mov\w+, cord ~ (?:prolapse\w*|hanging|out)
    """,
    "visual or liver signs": r"""
        (?:flashing|flashes of|flashes) (?:of )?lights?, blurr\w+ ~ (?:vision|eyesight)
        (?:vision|visual|eyesight) ~ (?:blur\w*|disturb\w+|spots|changes), seeing (?:stars|spots|flashing|double)
        upper (?:abdominal|right) ~ pain, pain ~ ribs, (?:swollen|swelling) ~ (?:face|hands)
    """,
    "ectopic": "HAVING (?:ectopic|tubal)(?: pregnancy)?, ruptured ectopic, HAVING eclampsia, placental abruption",
    "testicle pain": r"""
        (?:testic\w+|testis|testes|scrot\w+|balls?) ~ (?:pain\w*|hurts?|hurting|agony|tender\w*|swollen|swelling|aching)
        (?:pain\w*|hurts?|agony|swollen|tender|swelling) ~ (?:testic\w+|testis|testes|scrot\w+|balls?)
    """,
    "torsion": r"HAVING (?:testicular |ovarian )?torsion, testicular torsion, twisted (?:testic\w+|ovary)",
    # Poisoning; diabetes
    "overdose": r"""
        overdosed, overdosing, (?:taken|took|taking|had) ~ overdose, HAVING overdose, overdose of \d
        TOOK ~ (?:too many|too much|whole|all|(?:bottle|packet|box|handful) of|MANY) ~ (?:MEDICINE|DRUG)
        TOOK ~ (?:mother|father|mum|mom|dad|husband|wife|someone|grand\w+)'s ~ MEDICINE
        (?:SWALLOWED|got into|breathed in) ~ POISON, took poison
        carbon monoxide (?:alarm|poison\w*|exposure|leak), (?:co|carbon monoxide) alarm, HAVING poisoned, poisoned
        (?:heroin|fentanyl|opioids?|opiates?) ~ (?:pinpoint|slow breathing|barely breathing), snake ?bite
        bitten by ~ snake
    """,
    "diabetes": r"diabet\w+, type (?:1|one|i), t1dm, insulin",
    "ketones": r"""
        ketones?(?! (?:diet|are normal|normal)), ketonuri\w+
        (?:fruity|acetone|pear drops|nail (?:polish|varnish)) ~ (?:breath|smell\w*)
        (?:breath|smell\w*) ~ (?:fruity|acetone|pear drops|nail (?:polish|varnish))
    """,
    "deep breathing": r"""
        (?:deep|rapid|fast|heavy|labored) (?:and \w+ )?breath\w*
        breathing (?:is |very |so |really )*(?:deep\w*|rapid\w*|fast|heavily), kussmaul\w*, tachypne\w+
    """,
    "high sugar": r"""
        SUGAR (?:hi|(?:\w+ )?high|[3-9]\d\d|1\d\d\d|[2-6]\d(?:\.\d)?), hyperglycemi\w+
        high (?:blood )?(?:sugars?|glucose)
    """,
    "low sugar": r"hypoglycemi\w+, low (?:blood )?(?:sugar|glucose), SUGAR (?:(?:\w+ )?low|[12]\.\d), hypo",
    "ketoacidosis": r"""
        (?:HAVING|in) (?:dka|(?:diabetic )?ketoacidosis|hyperosmolar\w*|hhs), (?:dka|ketoacidosis) SOMEONE
        diabetic coma
    """,
    # Eyes, belly, limbs, burns, infants
    "sight lost": r"""
        sudden\w* ~ (?:blind\w*|vision loss|visual loss|loss of (?:vision|sight))
        sudden\w* ~ lost ~ (?:vision|sight|eyesight), (?:gone|went|woke up|suddenly) blind
        blind in (?:one|my|his|her|the) ~ eye, can't see (?:anything|out of)
        (?:lost|loss of|losing) ~ (?:vision|sight|eyesight) ~ (?:sudden\w*|minutes|hours?|this morning|today)
        suddenly can't see, (?:vision|sight) ~ (?:went|gone) (?:black|dark|completely)
        (?:curtain|shadow) ~ (?:vision|eye|sight)
        (?:bleach|acid|alkali|chemicals?|cement|lime|drain cleaner|oven cleaner|ammonia|plaster|detergent) ~ eyes?
    """,
    "rigid abdomen": r"""
        (?:rigid|board like|rock hard) ~ (?:abdomen|belly|stomach|tummy)
        (?:abdomen|belly|stomach|tummy) ~ (?:rigid\w*|board like|rock hard|hard as)
        perforat\w+ ~ (?:bowel|ulcer|viscus|appendix), peritonitis
    """,
    "limb without blood": """
        (?:leg|arm|foot|hand|limb) ~ COLD,? (?:and )?(?:COLD|numb|painful)
        COLD,? (?:and )?(?:COLD|numb|painful) (?:leg|arm|foot|hand|limb), acute limb ischemia
        HAVING compartment syndrome
    """,
    "serious burn": r"""
        (?:large|serious|severe|deep|third degree|3rd degree|full thickness|extensive) ~ burns?
        (?:electrical|chemical|major) burns?, burn\w* ~ (?:face|airway|throat|genitals|entire|all over|both)
        clothes ~ on fire, set on fire, (?:scald\w*|boiling \w+|hot oil) ~ (?:face|baby|toddler|child|chest)
        (?:baby|toddler|child|infant) ~ (?:scald\w*|boiling), electrocut\w*, electric shock, struck by lightning
        smoke inhalation, (?:inhaled|breathed in) ~ smoke
    """,
    "young infant": r"""
        newborn, neonat\w+, (?:[1-9]|1[0-2]) weeks? old, (?:[1-9]|[1-2]\d) days? old, [12] months? old
        (?:under|younger than|less than) 3 months
    """,
    "infant": r"baby, infant, newborn, neonat\w+, \d+ (?:weeks?|days?) old, (?:[1-9]|1[01]) months? old",
    "floppy": r"""
        floppy, limp
        (?:not|won't|isn't|stopped|refus\w+ to|hasn't been) (?:feed\w*|drink\w*|tak\w+ (?:milk|bottle|feeds?)), grunting
        no wet (?:nappies|diapers), high pitched cry\w*, sunken (?:fontanel\w*|soft spot)
    """,
    # Self-harm: what the person says, or what is said of them
    "self-harm": r"""
        (?:kill|hurt|harm|cut|hang|shoot|drown|poison|starve)(?:ing|ting)? (?:my|him|her|them|your)sel(?:f|ves), unalive
        suicidal, sucidal, suicidle, suicidality, (?:kill|hurt|harm)(?:ing)? (?:her|my|the) (?:own )?baby
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
    """,
}
