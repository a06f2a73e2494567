"""What is measured, or found on examination: a table in the manner of words.py."""

SIGNS = {
    # Circulation
    "systolic below 90": "HYPOTENSION",
    "shock": r"""
        HYPOTENSION, (?:bp|blood pressure|systolic)IS ?90(?:/\d+)?
        (?<!static.)(?<!postural.)hypotensi\w+, (?:clammy|cold) peripher\w+, peripher\w+ (?:cold|shut down)
        (?:cap(?:illary)? refill|crt)(?: time)?IS ?(?:[4-9]|prolonged|delayed|sluggish)
        (?:delayed|prolonged|sluggish) cap(?:illary)? refill, anuri[ac], oliguri[ac], lactateIS ?(?:[4-9]|1\d)(?:\.\d+)?
        (?:thready|feeble|weak) pulse
    """,
    "dangerous pulse": r"""
        RATE ?(?:1[5-9]\d|2\d\d|[23]\d)(?! ?(?:%|years?|yo))
        heart ~ (?:going|beating|racing|beats) (?:\w+ ){0,2}(?:1[5-9]\d|2\d\d)
        (?:ventricular|supraventricular) tachycardia, svt, complete heart block, torsades\w*
    """,
    "fast pulse": r"RATE ?(?:1[2-9]\d|2\d\d), tachycardi\w+",
    "very high pressure": r"""
        (?:bp|blood pressure|systolic)IS ?(?:1[6-9]\d|2\d\d)(?:/\d+)?, (?:bp|blood pressure)IS ?1\d\d/1[1-4]\d
        1[6-9]\d/1?\d\d ?mm ?hg, 1[5-9]\d over 1[01]\d
    """,
    "extreme pressure": r"(?:bp|blood pressure|systolic)IS ?(?:19\d|2\d\d)(?:/\d+)?, bpIS ?1\d\d/1[3-9]\d",
    "pressure differs between the arms": r"""
        \d+/\d+ (?:mmhg )?(?:in|on) (?:the |her |his )?(?:right|left)(?: arm)?(?:,| and| but| vs| versus)* \d+/\d+
        (?:bp|blood pressure|pulses?) ~ (?:differ\w*|unequal) ~ arms?, radio radial delay, pulse deficit
        (?:wide\w*) mediastinum
    """,
    "troponin raised": r"""
        troponin ~ (?:elevated|raised|high|positive|rising|rise), (?:elevated|raised|high|positive|rising) ~ troponin
        trop(?:onin)?(?: [ti])?IS ?(?:[5-9]\d|[1-9]\d\d+)
        trop(?:onin)?(?: [ti])?IS ?(?:0\.[1-9]|0\.0[5-9]|[1-9]\.\d)\d*(?! ?ng/l)
    """,
    "heart attack": r"""
        (?:new|st) (?:left bundle|lbbb|depression), (?:ecg|ekg) ~ (?:hyperacute|tombstone\w*|infarct\w*)
        cardiogenic shock
        HAVING (?:cardiac )?tamponade
    """,
    # Breathing and consciousness
    "low oxygen": r"""
        OXYGEN(?: [a-z]+){0,5}(?: ?[:=<])? ?(?:[4-8]\d|9[01])(?:\.\d)? ?(?:%|percent)(?! ?(?:o2|oxygen|fio2))
        OXYGEN(?:IS) ?(?:[5-8]\d|9[01])(?![.]?\d| ?[-/%]| ?(?:to|l|liters?|ml|mmhg|kpa)\b)
        (?:[5-8]\d|9[01]) ?(?:%|percent) (?:on|in) (?:room )?(?:air|ra), desaturat\w+
        (?<!chronic.)hypox(?:ic|emic|emia)(?! ischemic), peak flowIS ?[1-4]\d ?%
    """,
    "fast breathing": r"BREATHS ?(?:2[5-9]|[3-9]\d), (?:2[5-9]|[3-9]\d) breaths (?:per|a|/) ?min\w*",
    "very fast breathing": r"BREATHS ?(?:3\d|[4-9]\d), (?:[3-9]\d) breaths (?:per|a|/) ?min\w*",
    "slow breathing": r"""
        BREATHS ?[3-8](?!\.\d), [3-8] breaths (?:per|a|/) ?min\w*
        breath\w* ~ (?:only )?(?:every|once) (?:\w+ )?(?:minute|[1-5]\d sec\w*)
    """,
    "cannot breathe": r"""
        (?:sub|inter)costal (?:recession|retractions?|indrawing), (?:severe|marked) (?:recession|retractions?)
        tripod\w*, tracheal deviation, HAVING tension pneumothorax, paradoxical breathing
    """,
    "unconscious": r"""
        (?:gcs|glasgow coma (?:scale|score)|coma score)IS ?[3-8](?![.+]?\d), gcs ~ to [3-8], avpuIS ?(?:u|p)
        asystol\w+, (?:vf|pea|cardiac|respiratory) arrest, agonal
        (?:unrous|unarous|not rous|not arous|isn't rous|isn't arous)able
    """,
    "drowsy": r"""
        (?:gcs|glasgow coma (?:scale|score)|coma score)IS ?(?:9|1[0-4]), gcs ~ to (?:9|1[0-4]), avpuIS ?v
        (?:gcs|consciousness) ~ (?:fell|fall\w*|drop\w*|declin\w*|deteriorat\w*|worsen\w*|reduced|decreas\w*)
        (?:reduced|decreased|depressed|fluctuating) ~ (?:gcs|consciousness)
    """,
    "coma scale below 14": r"""
        (?:gcs|glasgow coma (?:scale|score)|coma score)IS ?(?:9|1[0-3]), gcs ~ to (?:9|1[0-3])
    """,
    "stroke": r"nihss?IS ?\d+, HAVING (?:cva|lvo|mca (?:occlusion|infarct\w*)), dense (?:hemipar\w+|hemipleg\w+)",
    "worse after head injury": r"""
        anisocoria, (?:blown|fixed|dilated|unreactive) pupil, hemotympanum, csf (?:leak|rhinorrh\w+|otorrh\w+)
        (?:boggy|depressed) ~ (?:swelling|fracture|skull|scalp|parietal|temporal)
        bruis\w* ~ (?:around|under|behind) ~ (?:eyes|ears?)
    """,
    "brain bleed": r"""
        HAVING (?:acute )?(?:subdural|extradural|epidural|intracranial)(?: h\w+)?(?! (?:anes\w+|block|steroid))
    """,
    # Temperature and infection
    "fever": r"""
        thermometer ~ (?:3[89]|4[0-2])(?:\.\d+)?
        TEMPERATURE ?(?:3[89]|4[0-2]|10[1-7]|100\.[4-9])(?:\.\d+)?(?! ?(?:weeks?|days?|hours?))
        t ?(?:[:=] ?)?(?:3[89]|4[01])\.\d, (?:3[89]|4[0-2])(?:\.\d+)? ?°? ?(?:c|celsius|degrees)
        10[1-7](?:\.\d+)? ?°? ?f, 100\.[4-9] ?°? ?f, pyrexi[ac]\w*
    """,
    "above 40.5": r"(?:40\.[5-9]|4[12](?:\.\d)?) ?°? ?(?:c|celsius), TEMPERATURE ?(?:40\.[5-9]|4[12](?:\.\d)?)",
    # A figure that can only be a temperature where a small baby is ill.
    "38 or more": r"""
        (?<!born.at.)(?<![-+.])(?:3[89]|4[01])\.\d(?! ?(?:weeks?|wks?|kg|cm|mm|ml|days?|/|%|years?))
    """,
    "low temperature": r"""
        TEMPERATURE ?(?:2\d|3[0-5])(?:\.\d)?(?! ?(?:weeks?|days?|hours?)), t ?(?:[:=] ?)?3[0-5]\.\d, hypothermi[ac]
    """,
    "low immunity": r"(?:neutrophils?|anc)IS ?0\.\d+",
    "stiff neck": r"brudzinski\w*, kernig\w*, positive kernig\w*, opisthoton\w+, neck retraction",
    "crepitus": r"crepitus, gas in (?:the )?(?:soft )?tissues?, subcutaneous (?:gas|emphysema), bullae",
    "out of proportion": "out of (?:all )?proportion, disproportionate pain",
    # Blood and sugar
    "acidosis": r"(?<!urine.)(?<!urinary.)(?<!vaginal.)(?<!fluid.)phIS ?(?:6\.[89]\d?|7\.[01]\d?)",
    "potassium or sodium dangerous": r"""
        (?:potassium|k\+?)IS ?(?:6\.[5-9]|[7-9]\.\d)\d?(?! ?m?g), sodiumIS ?(?:9\d|1[01]\d)(?! ?mg)
    """,
    "very low hemoglobin": r"(?:hb|hgb|hemoglobin)IS ?(?:[3-6](?:\.\d)?|[3-6]\d)(?![.]?\d| ?%)",
    "high sugar": r"""
        SUGAR ?(?:hi|(?:\w+ )?high|[3-9]\d\d|1\d\d\d|[2-6]\d(?:\.\d)?)(?![.]?\d| ?(?:mg|%|years?)), hyperglycemi\w+
        SUGAR ?[3-9]\d\d ?mg\w*
    """,
    "very low sugar": r"SUGAR ?(?:[012]\.\d+|lo)(?! ?%), SUGAR ?(?:[1-4]\d|5[0-3]) ?mg\w*",
    "ketoacidosis": r"osmolal\w+IS ?3[2-9]\d, hyperosmolar state",
    "wide qrs": r"""
        qrs(?: duration| complex\w*| width)?IS ?(?:1[2-9]\d|2\d\d|wide\w*|broad\w*|prolong\w*)
        (?:wide\w*|broad\w*) (?:complex|qrs), qtcIS ?(?:5[2-9]\d|[6-9]\d\d)
    """,
    # Belly, pelvis, limbs, eyes
    "rigid abdomen": r"""
        board like, (?:abdominal|involuntary) (?:rigidity|guarding), peritonitic, peritonism
        peritoneal (?:signs|irritation)
        rigidity ~ (?:abdom\w+|rebound), rebound ~ rigidity, free (?:air|gas) (?:under|below|beneath|on)
        pneumoperitoneum
        guarding (?:and |with )?(?:rebound|rigid\w*)
    """,
    "right lower pain": r"""
        (?:rif|rlq|right iliac|right lower quadrant)
        (?:lower right|right lower) (?:\w+ )?(?:side|tummy|abdom\w+|belly|stomach)
        (?:to|in) the (?:lower right|right lower), mcburney\w*
    """,
    "torsion": r"""
        (?:absent|lost|no|loss of) ~ cremasteric\w*
        cremasteric (?:reflex )?(?:is |was )?(?:absent|lost|not present|negative)
        (?:testi\w+|ball) ~ (?:higher|riding high|high riding|sideways|horizontal|rotated)
        high riding (?:left |right )?(?:testi\w+|ball), horizontal lie
    """,
    "limb without blood": r"""
        (?:no|absent|missing|can't feel|lost) (?:\w+ ){0,3}pulses? ~ (?:foot|leg|knee|ankle)
        (?:no|absent|missing|can't feel|lost) (?:\w+ ){0,3}pulses? ~ (?:arm|wrist|limb|hand|distal\w*)
        (?:no|absent|impalpable) (?:distal|pedal|foot|peripheral) pulses?
        (?:no|absent|impalpable) (?:dorsalis pedis|popliteal|femoral|radial|brachial) pulses?
        (?:distal|pedal|foot) pulses? (?:is |are |was |were )?(?:absent|impalpable|not \w+)
        (?:dorsalis pedis|popliteal|femoral) pulses? (?:is |are |was |were )?(?:absent|impalpable|not \w+)
        pulseless (?:\w+ )?(?:leg|foot|arm|limb|hand)
    """,
    "tense compartment": r"""
        pain ~ stretching ~ (?:toes|fingers)
        pain ~ passive (?:stretch\w*|(?:extension|flexion|movement) of ~ (?:toes|fingers))
        passive stretch\w* ~ pain\w*
        (?:tense|tight|hard|woody) (?:\w+ )?(?:calf|forearm|compartments?|shin), compartments? (?:is |are |was )?tense
    """,
    "sight lost": r"""
        (?:raised|high|elevated) (?:iop|intraocular pressure), (?:iop|intraocular pressure)IS ?[3-7]\d
        mid dilated, (?:hazy|cloudy|steamy) cornea, open globe, globe rupture, ruptured globe, cherry red spot
        HAVING (?:retinal (?:artery|detachment)\w*|central retinal|angle closure|acute glaucoma|endophthalmitis)
        amaurosis fugax
    """,
    "serious burn": r"\d+ ?% (?:tbsa|bsa|burns?|body surface), tbsa, burns? ~ \d+ ?%, circumferential (?:\w+ )?burns?",
    # Mother and baby
    "pregnant": r"""
        (?:[6-9]|1\d|2[1-9]|3[1-9]|4[0-2])/40, (?:[12]\d|3\d|4[0-2])\+[0-6], g\d+ ?p\d+, gravida \w+, primi ?gravida\w*
        primip\w*, multi(?:para|parous|gravida), gravid
    """,
    "baby moves less": r"""
        (?:absent|reduced|decreased|no) fetal (?:mov\w+|heart\w*|activity), fetal (?:bradycardia|distress)
        fetal heart(?: rate)?IS ?[4-9]\d
    """,
}
