"""Illness, as people tell it: a table in the manner of words.py."""

FINDINGS = {
    # Chest
    "chest pain": r"""
        chest pains?
        chest (?:is |feels? |felt |was )?(?:so |very |really )?(?:tight|tightness|tightening|heavy|heaviness)
        chest (?:pressure|discomfort|hurts?|hurting|aches?|aching|squeezing), angina, substernal ~ (?:pain|pressure)
        ACHE ~ (?:chest|breastbone|sternum|heart), (?:breastbone|sternum|retrosternal) ~ (?:pain|pressure)
        (?:chest|heart) (?:is )?(?:killing|hurts|hurting), sitting on (?:THE )?chest, clutch\w* ~ chest
        chest feels like, chest (?:is |being |feels )*(?:in a vice|crushed|squeezed|squashed|clamped)
        hurt(?:s|ing)? ~ (?:chest|breastbone|sternum|heart), epigastric (?:heaviness|pressure|tightness)
        elephant ~ (?:sitting|standing|on top)
        (?:weight|band|vice|brick|something) ~ (?:on|around|across) (?:THE )?chest
    """,
    "crushing": r"""
        crushing, squeezing, vice like, elephant, (?:heavy|huge) weight, sitting on, standing on, tight band
        heavy pressure, central chest pain
        squash\w*, clenching, like (?:a |an )?(?:brick|anvil|band), vice, tight belt
    """,
    "at rest": """
        (?:even|comes on|came on|occurs?|started|pain) at rest, while (?:he |she |i )?(?:was |were )?(?:at rest|resting)
        while (?:i was |he was |she was )?(?:sitting|lying) (?:down|still), sitting (?:still|watching)
    """,
    "severe": r"""
        severe, severely, excruciating, unbearable, agony, agonizing, worst, intense, terrible, 10/10, 10 out of 10
        agonizing\w*, (?:hurts?|hurting|painful|sore) (?:really |so |very |extremely )*(?:badly|bad|much), screaming
        (?:really|so|very|extremely|incredibly) (?:bad|painful|sore), horrendous, awful, unimaginable
        doubled (?:up|over)
        (?:8|9) (?:out of 10|/ ?10), [89]/10
    """,
    "sudden": r"""
        sudden, suddenly, abrupt, abruptly, out of nowhere, acute, acutely, woke (?:me|him|her) ~ with, woken by
        all at once, out of the blue, in an instant, instantly, within (?:a few )?seconds
        from one \w+ to the next
        woke (?:up )?(?:with|in), (?:he|she|i) (?:was )?woke(?:n)? (?:up )?(?:by|with|in)
    """,
    "recent": r"""
        \d+ (?:min\w*|hours?|hrs?|h) ago, (?:an|half an|a few|a couple of) (?:hours?|minutes?) ago
        since (?:this morning|lunch\w*|noon|breakfast|dinner|waking|\d+ ?(?:am|pm)|\d+ o'clock|i woke|(?:he|she) woke)
        this (?:morning|afternoon|evening), tonight, today, just now, last night, woke (?:up|this)
        (?:for|last) (?:the last |the past )?(?:\d+|an|a few|half an) (?:min\w*|hours?|hrs?), \d+ ?h(?:ours?|rs?)?
    """,
    "spread to arm or jaw": """
        SPREADS ~ (?:arms?|jaw|neck|back|shoulders?)
        (?:down|into|in|up) (?:my |the |his |her |both |left |right )*(?:arms?|jaw), jaw (?:pain|aches?|aching|hurts)
        (?:left|both) (?:my |his |her )?arms? ~ (?:pain|painful|numb|numbness|aches?)
        (?:left|both) (?:my |his |her )?arms? ~ (?:aching|hurts?|hurting|tingling|heavy)
    """,
    "sweating": r"""
        sweat, drenched, dripping, sweats, sweaty, sweating, diaphoresis, diaphoretic, clammy, ashen
        (?:gone|looks?|is|very|so) (?:gray|pale)
        cold sweats?, (?:white|gray|pale) as a (?:sheet|ghost), (?:gone|turned|went) (?:\w+ )?(?:white|gray|pale)
    """,
    "breathless": r"""
        short(?:ness)? of breath, breathless\w*, dyspne\w+, out of breath, wheez\w+, sob, tachypne\w+
        respiratory distress, (?:trouble|difficulty|problems?|hard|struggling|labored) (?:in |with |to )?breath\w*
        (?:fast|rapid|labored) breathing, breathing ~ (?:difficult\w*|hard|fast|rapid\w*|labored)
        can't (?:get|catch) (?:THE|enough) (?:breath|air), can't breathe? (?:properly|well)
        (?:struggl|gasp)\w+ ~ (?:breath\w*|air)
        (?:gasp|fight|struggl)\w* (?:for|to) (?:THE )?(?:breath\w*|air), can't get (?:THE|any|a) (?:\w+ )?breath, winded
        puffing(?! on), panting, (?:breath|breathing) ~ (?:short|shallow), hard to (?:breathe?|get ~ breath)
    """,
    "faint": r"""
        faint\w*, pass(?:ed|ing|es)? out, syncop\w+, collaps\w+, black(?:ed|ing)? out, light ?headed\w*
        (?:lost|loss of) consciousness
        keel(?:ed|s|ing)? over, drop(?:ped|s) to the (?:floor|ground)
        (?:dizz\w+|woozy|giddy) ~ (?:stand\w*|sit up|get up)
        pre ?syncop\w+, can't stand (?:up )?(?:without|for)
    """,
    "vomiting": r"""
        vomit\w*, nause\w+, throwing up, threw up, throws up, being sick, feels? sick, puking
        (?:was|is|been|am|keeps being) sick, vomits, thrown up, retching, emesis, brings up
    """,
    "heart attack": r"""
        HAVING (?:heart attack|myocardial infarction|n?stemi|acute coronary syndrome), st (?:segment )?elevation
        HAVING (?:mi|ami|acs), st (?:segment )?elevat\w+, (?:inferior|anterior|lateral|posterior) stemi, ste in
    """,
    "tearing pain": r"""
        (?:tearing|ripping) ~ (?:pain|chest|back|abdomen), pain ~ (?:tearing|ripping)
        (?:ripp\w+|tear\w*|tore|torn|split\w*) (?:open|inside|in two|apart) ~ (?:chest|back|pain)
        (?:chest|back|pain) ~ (?:ripped|torn|tore|splitting) (?:open|inside|in two|apart)
    """,
    "through to the back": """
        (?:through|into|to|straight to) (?:to )?(?:THE )?(?:back|shoulder ?blades?), between ~ shoulder ?blades?
    """,
    "aorta at risk": r"""
        marfan\w*, ehlers \w+, bicuspid (?:aortic )?valve, known aneurysm, (?:aortic|abdominal) aneurysm, aaa
    """,
    "back pain": r"""
        (?:back|flank|loin)(?: and \w+)? pain, pain ~ (?:back|flank|loin), back ~ (?:agony|killing)
    """,
    "aortic emergency": r"""
        HAVING (?:aortic )?dissection, ruptur\w+ ~ (?:aneurysm|aaa|aorta), aneurysm ~ ruptur\w+
        pulsa\w+ ~ (?:mass|abdomen|tummy|belly)
    """,
    "coughing blood": r"""
        cough\w* ~ blood, hemoptysis
        (?:blood|bloody) ~ (?:sputum|phlegm|spit), (?:bloody|pink frothy) (?:sputum|phlegm)
        blood when (?:i|he|she) cough(?:s|ed)?
    """,
    "leg swollen": r"""
        (?:leg|calf|thigh|ankle) ~ (?:twice|double|bigger|larger|fatter|huge|ballooned|puffed up)
        (?:calf|dvt|leg) ~ (?:sore|hot and red|cramping|pain), dvt, deep vein thrombosis
        (?:clot|thrombosis) in THE (?:leg|calf)
        unilateral ~ (?:edema|swelling)
        (?:leg|calf|calves|thigh) ~ (?:swelling|swollen|tender\w*), (?:swelling|swollen|tender\w*) ~ (?:leg|calf)
    """,
    "lung clot": r"""
        HAVING (?:pulmonary embol\w+|blood clot (?:in|on) THE lungs?)
        (?:massive|submassive|acute|saddle|bilateral) (?:pe|pulmonary embol\w+), saddle embol\w+, HAVING pe
    """,
    "sharp pain on breathing": r"""
        pleurit\w+
        (?:pain|hurts?|stab\w*|sharp|catch\w*) ~ (?:breathe in|deep breath|breathing in|every breath|each breath)
        (?:pain|hurts?|stab\w*|sharp|catch\w*) ~ (?:breathe|inhale|inspiration|inspiratory)
    """,
    "clot risk": r"""
        post ?op\w*, (?:after|since|following|post) ~ (?:surgery|operation|replacement), (?:hip|knee) replace(?:ment|d)
        long (?:haul )?(?:flight|journey|drive), flew, (?:on|taking|takes) (?:the )?(?:combined )?(?:pill|hrt)
        estrogen\w*
        contraceptive pill, immobil\w+, bed ?(?:bound|ridden), (?:in|plaster) (?:a )?cast, cancer, malignan\w+
        factor v, thrombophilia
    """,
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
        (?:struggl|fight|gasp)\w+ (?:for|to get) (?:THE )?(?:breath|air), can't get (?:THE|any|a) (?:\w+ )?breath
        too (?:exhausted|tired|weak|breathless|wheezy|out of breath) to (?:speak|talk|breathe|feed)
        (?:ribs?|chest|skin|tummy|neck) ~ (?:suck\w+|pull\w+|draw\w+) in, suck\w+ in ~ ribs, nostrils? (?:are )?flaring
        nasal flaring, (?:high pitched|crowing) (?:noise|sound) ~ breath\w*
        (?:single words?|short phrases) ~ (?:breath|time)
        speak\w* (?:only )?in (?:single|short|broken) \w+, (?:muffled|hot potato) voice
        can't swallow (?:THE |any )?(?:own )?(?:saliva|spit)
        (?:blue|reliever|rescue) (?:inhaler|puffer) ~ (?:doing nothing|no effect|no help|no relief)
        breathing (?:is )?(?:getting )?(?:exhausted|failing), leaning forward ~ (?:breathe|breath)
    """,
    "blue lips": r"""
        (?:lips?|face|tongue|skin|baby|child|he|she|he's|she's|fingertips) (?:\w+ ){0,2}(?:blue|gray|purple)
        (?:blue|gray) (?:lips|face|around the mouth), cyano\w+, turn(?:ed|ing|s) blue
        (?:lips?|face|tongue|he|she|baby) ~ (?:gone|turned|turning|going|went|looks?) (?:\w+ )?(?:blue|gray|purple)
    """,
    "choking": r"""
        (?:is|am|was|started|he's|she's|i'm|be) choking, chok\w+ on
        (?:clutch|grabb|grasp)\w* (?:at )?(?:THE )?(?:throat|neck)
        (?:food|grape|toy|coin|meat|bone|something) ~ (?:stuck|lodged) ~ (?:throat|airway)
        (?:food|grape|toy|coin|meat|bone|steak|sweet|something|nut) ~ (?:went|gone) down the wrong way
    """,
    "drooling": r"drool\w*, dribbl\w* ~ (?:towel|saliva|spit|mouth)",
    "unconscious": r"""
        unconscious(?! bias), unresponsive(?! to (?!voice|pain|touch))
        (?:can't|nobody can|no one can|nobody could) (?:wake|rouse|arouse), out cold, lifeless, won't come (?:round|to)
        (?:no|without) signs of life, (?:won't|can't be|doesn't|isn't|not) (?:wake|waking|woken|rouse|roused)
        (?:not|isn't|doesn't|won't) respond(?:ing)?(?! to (?!voice|pain|touch|me|us|him|her|anyone|anything))
        respond\w* only to pain, unrous\w+, unarous\w+, comatose, gcs (?:of |is |was )?[3-8](?!\d), no pulse, pulseless
        can't (?:find|feel) ~ pulse
        (?:hasn't|haven't|not) come (?:round|to|around), (?:won't|can't) (?:be )?(?:come round|wak\w+|rous\w+|roused)
        (?:collapsed|slumped|lying|found) ~ (?:motionless|lifeless|not moving|isn't moving), passed out and won't
        pulse (?:is )?(?:gone|not palpable|absent), (?:doing|started|giving|performing|received) cpr
        cpr (?:in progress|started|ongoing), found hanging, no reaction (?:at all|when)
        (?:he|she|they|baby) (?:doesn't|won't|isn't) react(?:ing)?
    """,
    "not breathing": r"""
        (?:not|isn't|stopped|no longer|quit|wasn't) breathing, apneic, (?:in|had|having) (?:cardiac|respiratory) arrest
        heart (?:has |have )?stopped, don't think (?:he's|she's|they're|he is|she is|they are) breathing(?! \w)
        no (?:respirations|respiratory effort), (?:hasn't|haven't) (?:taken|had) a breath, stops breathing and
    """,
    "drowned": r"drown(?:ed|ing)(?! in (?:debt|work|\w*paper\w*)), pulled ~ (?:pool|river|sea|lake)",
    "drowsy": r"""
        drows\w+, letharg\w+, (?:very|too|so|unusually|abnormally|really|increasingly) sleepy
        (?:hard|difficult) to (?:wake|rouse), obtunded
        can't (?:stay|keep) (?:\w+ )?awake, won't stay awake, keeps (?:falling asleep|drifting off|nodding off)
        somnolen\w+
        can't keep (?:THE )?eyes open, stupor\w*, groggy, barely (?:respond\w+|conscious|awake|rous\w+), listless
        (?:poorly|less|hardly) respon\w+, (?:not|isn't|hard) (?:\w+ )?(?:waking|to wake) (?:up )?(?:for|to)
    """,
    "confused": r"""
        confus\w+, disorient\w+, deliri\w+, altered (?:mental|conscious)\w*, mental status, doesn't know where, rambling
        not making (?:any )?sense, isn't making (?:any )?sense
        not (?:himself|herself), (?:doesn't|didn't|can't) (?:recognize|know) (?:me|us|who|what day|his|her)
        talking (?:nonsense|rubbish|gibberish), muddled, out of it, acting (?:strange\w*|weird\w*|drunk), acting oddly
        new confusion
    """,
    # Brain, nerves, spine
    "face drooping": r"""
        (?:face|facial|mouth|smile|cheek|lip) ~ DROOPS, droop\w* ~ (?:face|mouth|smile|lip), facial weakness
        lop ?sided (?:face|smile), (?:face|mouth) fell
        can't (?:smile|close ~ eye), (?:face|mouth|smile) ~ (?:wonky|pulled|one side|funny), facial (?:asymmetry|palsy)
        wonky (?:face|smile|mouth), drool\w* ~ (?:one side|corner)
        (?:half|side) of THE face ~ (?:fallen|dropped|weak|numb)
        (?:lost|flattened) nasolabial
    """,
    "one side weak": r"""
        (?:arms?|leg|hand|side|limbs?) ~ (?:weak\w*|numb\w*|paraly\w+|dead|limp|useless|won't move|can't move)
        (?:weak\w*|numb\w*|paraly\w+|no strength|no power) ~ (?:arms?|leg|hand|side|left|right), hemipar\w+, hemipleg\w+
        can't (?:\w+ )?(?:move|lift|raise|feel|use) ~ (?:arms?|leg|hand|side), arm ~ (?:drift\w*|drops?|falls)
        lost ~ use of ~ (?:arm|leg|hand|side)
        (?:arms?|leg) ~ (?:won't (?:work|lift|obey|do)|doesn't (?:work|move)|isn't working|not working|not moving)
        (?:hand|limbs?) ~ (?:won't (?:work|lift|obey|do)|doesn't (?:work|move)|isn't working|not working|not moving)
        (?:arms?|leg|hand|limbs?|side) ~ (?:stopped working|gone (?:weak|numb|dead|floppy|funny)|given way|gives way)
        dropp\w+ (?:things|everything) ~ (?:hand|side|left|right)
        can't (?:grip|hold) ~ (?:cup|hand|pen|left|right|fork)
    """,
    "limb fails": r"""
        (?:arms?|leg) ~ (?:weak\w*|paraly\w+|dead|limp|useless|won't (?:move|work|lift|obey|do)|can't move)
        (?:hand|side|limbs?) ~ (?:weak\w*|paraly\w+|dead|limp|useless|won't (?:move|work|lift|obey|do)|can't move)
        (?:arms?|leg|hand|limbs?) ~ (?:doesn't (?:work|move)|isn't working|not working|not moving|stopped working)
        (?:weak\w*|paraly\w+|no strength|no power) ~ (?:arms?|leg|hand|side), hemipar\w+, hemipleg\w+
        can't (?:\w+ )?(?:move|lift|raise|use) ~ (?:arms?|leg|hand|side), lost ~ use of ~ (?:arm|leg|hand|side)
    """,
    "half of the body": r"""
        (?:one|left|right) (?:half|side) of THE body
        (?:left|right) arm and (?:\w+ )?leg, (?:left|right) leg and (?:\w+ )?arm
        (?:down|along|of) (?:the |THE |one )?(?:whole |entire )?(?:left|right|one) side
    """,
    "speech slurred": r"""
        (?:speech|words?|talking|speaking) ~ (?:slur\w*|garbled|jumbled|gibberish|nonsense|mumbl\w+)
        slur\w* (?:\w+ )?(?:speech|words?), slurring, (?:trouble|difficulty) (?:speaking|talking)
        (?:words?|speech) ~ (?:wrong|funny|strange|weird)
        (?:talks?|talking|speaks?|speaking|sounds) (?:funny|strange|weird), aphasi\w+, dysarthri\w+
        can't (?:suddenly )?(?:get|find|understand|form) ~ words?
        (?:suddenly ~ )?can't (?:speak|talk) (?:properly|clearly|right), suddenly can't (?:speak|talk|understand)
        (?:muddled|jumbled|garbled|mixed up) (?:speech|words), lost (?:my|his|her|all|the power of) (?:speech|words)
        lost ~ (?:ability|power) ~ (?:speak|talk)
        mix\w* up ~ words
        (?:speech|words) ~ (?:gone|went|won't come|not coming out|isn't coming out|mixed up|muddled|scrambled|slurry)
        (?:talking|speaking|sounds?|talks) (?:\w+ )?(?:gibberish|nonsense|drunk|rubbish), dysphasi\w+
        word finding difficult\w+
        can't (?:say|speak|talk|get out) (?:a|any|THE) words?, can't get ~ words?
    """,
    "stroke": r"""
        HAVING (?:stroke|tia|cerebrovascular accident|brain (?:bleed|hemorrhage))(?! (?:clinic|unit|rehab|risk))
        stroke SOMEONE
        sudden\w* ~ (?:double vision|diplopia|seeing double|hemianop\w+), (?:double vision|diplopia) ~ sudden\w*
    """,
    "vertigo": r"""
        vertigo, room ~ spinning, spinning, dizz\w+
    """,
    "brainstem sign": r"""
        diplopia, double vision, seeing double, can't walk (?:straight|unaided|without), ataxi\w+, stagger\w+
        can't (?:stand|sit) (?:up )?(?:unaided|without), veer\w* to
    """,
    "headache": """
        head ?aches?, migraine, pain in THE head, head (?:is |was )?(?:hurts?|hurting|pounding|exploding|splitting)
    """,
    "thunderclap headache": r"""
        (?:worst|thunder ?clap|explosive) ~ head ?ache, head ?ache ~ (?:worst|thunder ?clap), hit ~ head with a
        (?:sudden|suddenly|abrupt) ~ (?:severe|excruciating|intense|terrible|blinding|splitting|massive) ~ head ?ache
        (?:severe|intense|excruciating) ~ head ?ache ~ (?:suddenly|seconds|instantly), subarachnoid hemorrhage
        (?:sudden|abrupt) onset ~ head ?ache, head ?ache ~ (?:sudden onset|peaked|within seconds|in seconds)
        (?:like|as if) ~ (?:hit|struck|kicked|bat|hammer|brick|explo\w+|bomb|gun ?shot|thunder\w*) ~ (?:head|skull)
        head ?ache ~ (?:came on|started|began|hit) ~ (?:at once|instantly|out of nowhere|like a (?:switch|bolt|bang))
        head ?ache ~ (?:full force|maxim\w+|peak\w*) ~ (?:seconds|minute|instantly|at once)
        worst (?:\w+ ){0,3}(?:head pain|migraine|pain in THE head), something (?:burst|popped|exploded) ~ head
        (?:bat|hammer|brick) hit ~ head
    """,
    "never like this": r"""
        never ~ like (?:it|this), worst (?:\w+ ){0,3}(?:of|in) THE life, worst ever, unlike any
    """,
    "seizure": r"""
        seizures?, (?:a|another|the|his|her) fit(?! (?:and|with|of|adult|man|woman|person))
        fits?(?= (?:lasting|for|since)), having fits, eyes rolled back, foaming, (?:was|been|keeps|started) fitting
        convuls\w+, epileptic fit, seized, (?:jerking|shaking) (?:uncontroll\w+|all over)
        tonic clonic, grand mal, jerking ~ (?:all over|arms|legs|limbs|body), had a fit, fitted, foam\w* at ~ mouth
        shak\w+ ~ (?:all over|violently|uncontroll\w+), eyes (?:have |are )?roll\w+ (?:back|up)
    """,
    "seizure now": r"""
        NOW (?:\w+ )?(?:fitting|seizing|convulsing)
        NOW (?:\w+ )?having (?:a|another|repeated) (?:seizure|fit|convulsion), status epilepticus
    """,
    "long or repeated": r"""
        (?:[2-9]|two|several|multiple|repeated|more) (?:seizures|fits|convulsions)
        (?:[5-9]|[1-9]\d+)(?: (?:to|or) \d+|-\d+)? ?min\w*, (?:half|quarter of) an hour, (?:an|1|2|3) hours?
        (?:won't|not|hasn't|doesn't|isn't) stop\w*, one after (?:another|the other), back to back, without stopping
        (?:[2-9]|several|multiple|repeated|more) (?:[\w-]+ ){1,2}(?:seizures|fits|convulsions)
        (?:keeps|kept) (?:having|fitting|seizing)
        (?:without|not|hasn't|never) (?:regain\w*|recover\w*|c[oa]m\w+ round|woken), cluster\w* of (?:seizures|fits)
        (?:seizure|fit) after (?:seizure|fit), (?:still|again) (?:fitting|seizing|convulsing)
    """,
    "first time": """
        first (?:ever |time )?(?:seizure|fit|convulsion), never had (?:a|one|any) ~ (?:seizure|fit|before)
        new onset seizure
    """,
    "back or leg trouble": r"""
        back ?(?:aches?|pains?|hurts?|injury|spasm), sciatica, pain ~ back, (?:slipped|herniated|prolapsed) dis[ck]
        legs? ~ (?:weak\w*|numb\w*|pains?|tingl\w+), (?:weak\w*|numb\w*|pain) ~ legs?, can't (?:move|feel) ~ legs
        (?:both|bilateral) (?:legs|sciatica), slipped disc, (?:spinal|spine) (?:surgery|injection|fracture)
    """,
    "legs failing": r"""
        (?:both )?legs (?:\w+ ){0,3}(?:weak\w*|giving way|gave way|won't hold), off (?:his |her )?legs, upgoing plantars
        weak\w* (?:in|of) (?:both )?(?:THE )?legs
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
        can't (?:tell|feel) (?:when|if|that) (?:\w+ ){0,4}(?:pee|wee|urinat\w+|poo|bladder|full|need)
        unable to pass urine
        (?:reduced|lax|absent|decreased|poor|no|loss of) (?:anal|sphincter|rectal) tone, (?:lost|can't get) ~ erections?
        (?:pee|wee|urine|poo) ~ (?:leak\w*|dribbl\w*|without noticing|without feeling|without knowing)
        (?:peed|pooed|messed|wet) (?:my|him|her)self
    """,
    "cauda equina": "HAVING cauda equina",
    # Infection
    "fever": r"""
        fever\w*, febrile, (?:temperature|temp) ~ (?:3[89]|4[0-2]|10[1-7])(?:\.\d+)?
        (?:high|raised|running a) temperature
        rigors?, (?:shaking|rigorous) chills, burning up, hot to (?:the )?touch
        hot and (?:floppy|shiver\w*|sweaty|sleepy)
        (?:feels?|feeling|felt) (?:so |very |really |boiling |burning )*hot, (?:boiling|burning|roasting|red) hot
    """,
    "infection": r"""
        wound ~ (?:red|pus|smells), infect\w+, pneumonia, cellulitis, uti, abscess, pyelonephritis, chills
        wound,? ~ (?:hot|weep\w*|discharg\w*|angry|swollen), shiver\w*, spreading (?:redness|cellulitis), sores?
        ulcer ~ (?:pus|smell\w*)
        red (?:streaks?|lines?) ~ (?:arm|leg|up), redness ~ spread\w*, bites? ~ (?:red|swollen|pus), gangrene
        erysipelas
    """,
    "shock": r"""
        low blood pressure, mottl\w+, (?:pale|cold|gray)(?: and|,)? clammy, cold (?:hands|feet) and (?:feet|hands)
        septic shock
        (?:hasn't|haven't|not) (?:passed|passing|peed|urinat\w+|weed|been to the loo), in shock, no urine
        (?:blood pressure|bp) ~ (?:very low|dropped|dropping|crashed|crashing|too low)
    """,
    "sepsis": """
        HAVING (?:sepsis|septic)(?! arthritis), sepsis SOMEONE, urosepsis, septic shock, neutropenic sepsis
        necrotizing fasciitis
    """,
    "low immunity": r"""
        chemo\w*, neutropeni\w+, transplant, immun\w+ ?suppress\w+, splenectomy, asplen\w+, no spleen
        (?:central|picc|hickman) line, portacath, leukemia treatment, agranulocytosis, (?:on|taking) clozapine
        carbimazole
    """,
    "blocked kidney": """
        (?:kidney|ureteric|renal) stones?, hydronephrosis, obstructed kidney, (?:urinary )?catheter
    """,
    "stiff neck": r"""
        stiff\w* ~ neck, neck (?:is |was |feels? |very |so )*stiff\w*, (?:nuchal|neck) rigidity
        can't (?:touch|put|bend) ~ (?:chin|neck), mening\w*ism, kernig\w*
        neck ~ (?:stiff\w*|rigid\w*)(?! from), can't (?:touch|put|bend|get) (?:THE )?chin
        neck hurts ~ (?:bend|chin|forward)
    """,
    "light hurts": r"""
        photophobi\w+, light (?:is )?hurt\w*, sensitiv\w+ to ~ light, can't (?:stand|bear|look at) ~ light
        light ~ (?:unbearable|hurts|painful|too bright), (?:hates|avoiding|shying from) ~ light
    """,
    "rash that does not fade": (
        r"""
        non ?blanching
        (?:rash|spots?) ~ (?:doesn't|don't|won't|not|didn't|isn't) """
        r"""(?:\w+ )?(?:fade|fading|blanch|disappear|go away|go when|go if)\w*
        petechi\w+, purpur\w+, purple (?:rash|spots|blotches), (?:rash|spots) ~ purple
        (?:rash|spots?|bruises) ~ (?:stay|stays|still there|remain|visible) ~ (?:glass|press\w*|tumbler)
        (?:fail\w*|positive) ~ (?:glass|tumbler) test, (?:glass|tumbler) test (?:is |was )?positive, blood spots
        pin ?prick (?:rash|spots)
        (?:rash|spots?) ~ like (?:bruises|bruising|pin ?pricks)
        (?:doesn't|don't|won't) (?:fade|blanch|go away) ~ (?:glass|tumbler|press\w*)
    """
    ),
    "meningitis": r"HAVING (?:meningitis|meningococc\w+|encephalitis)(?! (?:vaccin|jab|belt)), meningitis SOMEONE",
    "bulging fontanelle": r"bulging (?:fontanel\w*|soft spot), (?:fontanel\w*|soft spot) ~ bulging",
    # Allergy
    "throat swelling": r"""
        (?:throat|tongue|airway|windpipe) ~ (?:swelling|swelled|swells|closing|closed up|closes|tightening|puffing)
        (?:swollen|swelling|closing|tightening) (?:of |in )?(?:THE )?(?:tongue|throat|airway), tongue ~ swollen
        angio ?edema
        (?:swallow\w*|throat) ~ closing (?:up|in), tongue ~ (?:huge|getting (?:bigger|thicker))
    """,
    "throat tight": r"""
        throat ~ (?:tight|tightness|tightened|lump|itchy|scratchy|tickl\w+|funny), tight (?:throat|feeling in ~ throat)
        hoarse\w*
    """,
    "cannot swallow": r"""
        can't swallow, (?:trouble|difficulty|hard to|agony|hurts|painful) ~ swallow\w*
    """,
    "face or lips swelling": r"""
        (?:lips?|face|facial|eyes?|eyelids) ~ (?:swell\w*|swollen|puff\w*|blow\w* up|balloon\w*)
        (?:swell\w*|swollen|puffy) ~ (?:lips?|face|eyes?)
        (?:facial|periorbital|lip|perioral) edema, (?:lips?|face|eyes?) ~ (?:huge|twice|fat|balloon\w*|blown up)
        fat lips?
    """,
    "hives": r"""
        hives, urticari\w+, (?:itchy|widespread|raised) ~ rash, welts, nettle rash, wheals, rash all over
        (?:covered in|broken out in|come out in|came (?:out|up) in|coming up in) (?:an? )?(?:\w+ )?(?:rash|hives|bumps)
        (?:covered in|broken out in|come out in|came (?:out|up) in|coming up in) (?:an? )?(?:\w+ )?(?:lumps|spots)
        (?:covered in|broken out in|come out in|came (?:out|up) in|coming up in) (?:an? )?(?:\w+ )?(?:blotches|welts)
        itch\w* (?:all over|everywhere), blotch\w*, (?:red|itchy) (?:all over|everywhere)
    """,
    "allergen": r"""
        pea ?nuts?, nuts?, cashews?, shell ?fish, shrimps?, prawns?, crab, sesame, eggs?
        (?:bee|wasp|hornet|insect) ?(?:sting|stings|bites?)?, stung, penicillin, amoxicillin, antibiotics?, latex
        allerg\w+, epi ?pen, (?:shot|jab|vaccin\w+)
        (?:minutes|right|shortly|just|soon) after (?:eating|taking|a|the|his|her)
        co ?amoxiclav, augmentin, ceph\w+, cef\w+, contrast, infusion, injection, milk, fish, kiwi, soya?, wheat
        walnuts?, almonds?, pistachios?, hazelnuts?, lobster, strawberr\w+, ant bites?, blood transfusion
    """,
    "just exposed": r"""
        (?:after|since|from) ~ (?:eating|ate|sting|stung|bite|taking|took|injection|meal), stung by
        (?:ate|eaten|eating), (?:min\w*|seconds) into
        after (?:the |an? |his |her |my )?(?:first )?(?:dose|tablet|bite|jab|iv)
        just (?:had|took|given), given (?:iv|an injection)
    """,
    "allergic reaction": "allergic reaction, severe allergy, reaction to",
    "anaphylaxis": r"""
        HAVING (?:anaphyla\w+|anaphala\w+), anaphylactic (?:shock|reaction), anaphylaxis (?:SOMEONE|after)
    """,
    # Sugar
    "diabetes": r"diabet\w+, type (?:1|one|i), t1dm, insulin",
    "ketones": r"""
        ketones?(?! (?:diet|are normal|normal|negative)|(?:IS)? ?0\.\d), ketonuri\w+
        (?:fruity|acetone|pear drops|nail (?:polish|varnish)) ~ (?:breath|smell\w*)
        (?:breath|smell\w*) ~ (?:fruity|acetone|pear drops|nail (?:polish|varnish))
    """,
    "fruity breath": """
        (?:fruity|acetone|pear drops|nail (?:polish|varnish)|sweet) ~ (?:breath|smelling breath)
        (?:breath|breathing) ~ (?:fruity|acetone|pear drops|nail (?:polish|varnish)|sweet|sweets)
    """,
    "thirst": r"""
        (?:so|very|always|constantly|really|extreme\w*|excessive\w*|terribly) thirst\w*, polyuri\w+, polydipsi\w+
        unquenchable thirst
        (?:weeing|peeing|urinating|passing urine) (?:loads|lots|a lot|all the time|constantly|non ?stop|so much|more)
        drink(?:s|ing) (?:loads|gallons|liters|constantly|non ?stop|so much)
        (?:wees|pees|weeing|peeing) all (?:night|day|the time), thirsty ~ (?:weeing|peeing|urinat\w+)
    """,
    "deep breathing": r"""
        (?:deep|rapid|fast|heavy|labored) (?:and \w+ )?breath\w*
        breathing (?:is |very |so |really )*(?:deep\w*|rapid\w*|fast|heavily), kussmaul\w*, tachypne\w+
        breathing ~ (?:fast|deep\w*|rapid\w*|hard), sighing breath\w*, (?:fast|deep) (?:and \w+ )?respiration\w*
    """,
    "high sugar": """
        high (?:blood )?(?:sugars?|glucose), (?:sugars?|glucose) ~ (?:sky high|through the roof|off the scale)
        (?:meter|monitor|sensor) (?:says?|shows?|reads?|is) hi(?:gh)?
    """,
    "low sugar": r"hypoglycemi\w+, low (?:blood )?(?:sugar|glucose), SUGAR (?:\w+ )?low, SUGAR ?[12]\.\d, hypos?",
    "ketoacidosis": r"""
        (?:HAVING|in) (?:dka|(?:diabetic )?ketoacidosis|hyperosmolar\w*|hhs), (?:dka|ketoacidosis) SOMEONE
        diabetic coma
    """,
    # Eyes
    "sight lost": r"""
        sudden\w* ~ (?:blind\w*|vision loss|visual loss|loss of (?:vision|sight))
        sudden\w* ~ lost ~ (?:vision|sight|eyesight), (?:gone|went|woke up|suddenly) blind
        blind in (?:one|my|his|her|the) ~ eye, can't see (?:anything|out of)
        (?:lost|loss of|losing) ~ (?:vision|sight|eyesight) ~ (?:sudden\w*|minutes|hours?|this morning|today)
        suddenly can't see, (?:vision|sight) ~ (?:went|gone) (?:black|dark|completely)
        (?:curtain|shadow) ~ (?:vision|eye|sight)
        (?:bleach|acid|alkali|chemicals?|cement|lime|drain cleaner|oven cleaner|ammonia|plaster|detergent) ~ eyes?
        (?:lost|lose) (?:\w+ ){0,3}vision (?:\w+ ){0,2}(?:in|of|from|on) (?:\w+ ){0,3}(?:eyes?|side|left|right)
        (?:lost|lose) (?:\w+ ){0,3}(?:sight|eyesight) (?:\w+ ){0,2}(?:in|of|from|on) (?:\w+ ){0,3}(?:eyes?|side)
        (?:lost|lose) (?:\w+ ){0,3}(?:sight|eyesight) (?:\w+ ){0,2}(?:in|of|from|on) (?:\w+ ){0,3}(?:left|right)
        can't see (?:\w+ ){0,3}(?:out of|from|with) (?:\w+ ){0,3}(?:eyes?|left|right)
        (?:black|dark|gray) (?:curtain|veil|shutter|shade)
        (?:curtain|veil|shutter|shade) ~ (?:come|came|coming|fell|fallen) ~ (?:eye|sight|vision|see)
        (?:curtain|veil|shutter|shade) ~ (?:falling|dropp\w+|drawn|down|across|over) ~ (?:eye|sight|vision|see)
        (?:vision|sight) (?:has |just |suddenly )*(?:gone|went|turned) (?:\w+ )?(?:black|dark|blank|gray|blind)
        (?:eye|everything) (?:has |just |suddenly )*(?:gone|went|turned) (?:\w+ )?(?:black|dark|blank|gray|blind)
        (?:floaters|cobwebs) ~ (?:flash\w*|curtain|shadow), flash\w* ~ floaters
        (?:shower|sudden\w*|loads|lots|burst) ~ (?:of )?(?:new )?floaters
        CHEMICAL ~ (?:eyes?|eyeball)
        eyes? ~ (?:splash\w*|spray\w*|squirt\w*|burn\w*) (?:\w+ )?(?:with|by|from) ~ CHEMICAL
        (?:nail|metal|glass|stick|wire|dart) (?:\w+ ){0,4}(?:into|in|through) (?:\w+ )?eye(?:ball)?
        (?:knife|thorn|needle|shard|pencil|fish ?hook|pellet) (?:\w+ ){0,4}(?:into|in|through) (?:\w+ )?eye(?:ball)?
        eyeball ~ (?:cut|burst|ruptur\w+|leak\w*|punctur\w*|pierc\w+), (?:went|gone|going|woke|woken) (?:\w+ ){0,2}blind
    """,
    "eye pain": r"""
        painful (?:\w+ ){0,3}eye
        (?<!behind.)(?:eyes?|eyeball) ~ (?:pain\w*|hurts?|hurting|agony|aching|throbbing|sore)
        (?:pain|agony|ache) ~ (?:in|of) ~ eyes?
    """,
    "red eye": r"""
        red (?:left|right) eye
        red eyes?, eyes? (?:is |has )?(?:\w+ )?(?:red|bloodshot), it's red, conjunctival injection
    """,
    "halos": """
        halos?, haloes, (?:rainbows?|rings?) around, rings? around ~ lights?
    """,
    "misty vision": r"""
        (?:vision|sight|eyesight|seeing) ~ (?:misty|foggy|cloudy|hazy|blur\w*|reduced|worse|poor|dim\w*)
        blurr\w+ (?:vision|sight)
        (?:reduced|decreased|loss of|worse) (?:vision|visual acuity|sight)
    """,
    "giant cell": r"""
        scalp ~ (?:tender\w*|hurts?|sore|painful), tender (?:scalp|temples?|temporal)
        jaw ~ (?:chew\w*|claudication|eating)
        (?:temporal|giant cell) arteritis, gca
    """,
    "eye shut or bulging": r"""
        eye(?:lid)?s? ~ (?:swollen shut|bulging|can't open|sealed|closed|pushed forward), proptos\w+
        periorbital cellulitis, orbital cellulitis
    """,
    # Belly, testicles and ovaries
    "belly pain": r"""
        (?:abdom\w+|belly|tummy|stomach|pelvic|lower|iliac|side|shoulder) ~ (?:pains?|cramp\w*|ache|hurts?)
        pain ~ (?:abdomen|belly|tummy|stomach|pelvis|side|shoulder tip)
        epigastri\w+ ~ (?:pain|agony|tender\w*), (?:tip of|point of) ~ shoulder
        (?:womb|uter\w+) ~ (?:pain\w*|tender\w*|hard|hurts)
        (?:belly|tummy|stomach|abdomen|guts?) ~ (?:agony|killing|hurting|sore|unbearable)
        (?:hurts|hurting|agony) ~ (?:belly|tummy|stomach)
        (?:pains?|cramp\w*|ache|agony) ~ (?:groin|rif|rlq|ruq|llq|bump|womb|belly button|navel)
        (?:pain|hurts) ~ lower right
    """,
    "rigid abdomen": r"""
        (?:rigid|board like|rock hard) ~ (?:abdomen|belly|stomach|tummy)
        (?:abdomen|belly|stomach|tummy) ~ (?:rigid\w*|board like|rock hard|hard as)
        perforat\w+ ~ (?:bowel|ulcer|viscus|appendix), peritonitis
        (?:abdomen|belly|stomach|tummy) ~ (?:hard as|like (?:a )?(?:board|rock|wood|stone)|solid|hard and tender)
        HAVING (?:bowel |intestinal )?(?:perforation|obstruction|volvulus|intussusception|peritonitis)
        (?:burst|ruptured) (?:appendix|spleen|ulcer)
        HAVING (?:mesenteric|bowel) (?:ischemia|infarct\w*)
        (?:strangulated|incarcerated|irreducible) ~ (?:hernia|lump|swelling)
        (?:red ?)?currant jelly, (?:fec\w+|stool like|poo like) vomit\w*, vomit\w* ~ (?:feces|fec\w+|poo|stool)
        (?:hernia|lump in ~ groin) ~ (?:stuck|won't go (?:back|in)|can't (?:push|get) ~ (?:back|in)|gone hard|purple)
    """,
    "no stool or wind": r"""
        (?:no|not|hasn't|haven't|can't|without) (?:\w+ ){0,3}(?:stools?|bowel movements?|flatus) ~ (?:for|since|\d+)
        (?:no|not|hasn't|haven't|can't|without) (?:\w+ ){0,3}(?:wind|gas|motions?|farts?) ~ (?:for|since|\d+)
        no (?:stools?|bowel movements?|flatus|wind)(?: or (?:stools?|flatus|wind|gas))?, obstipation
        (?:hasn't|haven't|can't) (?:fart\w*|poo\w*|pass\w* (?:wind|gas))
    """,
    "distended": r"""
        distend\w*, distension, (?:swollen|bloated|blown up) (?:belly|tummy|abdomen|stomach)
        (?:belly|tummy|abdomen|stomach) ~ (?:swollen|swelling|bloated|blown up|huge|tight as a drum)
    """,
    "pain that moved": r"""
        (?:pain|ache|it|now|and) ~ (?:moved|shifted|migrat\w+|traveled|settled) ~ (?:right|lower|rif|rlq)
        (?:belly button|navel|umbilic\w+|middle) ~ (?:right|rif|rlq)
    """,
    "hurts to move": r"""
        hurts? ~ (?:cough|hop|jump|walk|move|laugh|bump\w*|drive|touch), rebound\w*, guarding, psoas, rovsing\w*
        percussion tenderness
        can't (?:stand|straighten) (?:up|straight), (?:walks?|walking) (?:bent|hunched|doubled)
    """,
    "jaundice": r"""
        jaundice\w*, icter\w+, (?:skin|eyes|he|she|i) ~ (?:yellow|gone yellow)
    """,
    "testicle pain": r"""
        BALL ~ (?:pain\w*|hurts?|hurting|agony|tender\w*|swollen|swelling|aching|killing|sore)
        (?:pain\w*|hurts?|hurting|agony|swollen|tender|swelling|ache|kicked) ~ BALL
    """,
    "torsion": r"""
        HAVING (?:testicular |ovarian )?torsion, testicular torsion, twisted (?:testic\w+|ovary)
        (?:testi\w+|ball|ovary) ~ twisted, twisted (?:\w+ )?(?:ball|ovarian cyst|ovary)
    """,
    "ovary": """
        (?:both|my|her|big|enlarged) ovar(?:y|ies), follicles, ovarian (?:cyst|mass|tumor), adnexal mass
        cyst on ~ ovary
        dermoid cyst
    """,
}
