"""The words from which negation.py tells denied, past, hypothetical and other people's findings, as tables.

Phrases are separated by a comma or a new line. In one, a space also meets hyphens, ` ?` an optional space, a word in
capitals stands for the list of WORDS; the rest is a regular expression over lower case.
"""

from typing import Literal

State = Literal["negated", "historical", "someone else's", "hypothetical"]

WORDS = {
    "LONG_AGO": r"(?:(?:\d+|an?|\w+) )?(?:months?|years?|decades?) (?:ago|back|earlier|previously)",
    "MONTH": """
        january, february, march, april, may, june, july, august, september, october, november, december
    """,
    "PAST_EVENT": "pregnanc(?:y|ies), births?, deliver(?:y|ies), labor, operation, surgery, admission, hospital stay",
    "NOT": r"not, (?:do|does|did|is|are|was|were|has|have|had|would)(?:n't|nt)",
    "KIN": """
        son, daughter, wife, husband, mother, mum, mom, father, dad, brother, sister, partner, friend, uncle, aunt
        cousin, nephew, niece, grand\\w+
    """,
    "PERSON": r"(?:[\w-]+ ){0,6}?(?:man|woman|boy|girl|child|infant|baby|toddler|patient|male|female|gentleman|lady)",
}

# Look like triggers and say nothing of the kind; what they cover cannot trigger.
PSEUDO = r"""
    NOT only, NOT just, not merely, not necessarily, no doubt, no question, no wonder, without doubt, not to mention
    no one, no body, nobody, no idea, whether or not, if not, why not, NOT (?:sure|certain|clear|known)
    no longer able, NOT (?:really )?(?:know|understand|realise|realize|care|remember)
    NOT (?:normal|usual|well|right|good|ok|okay|like (?:him|her|me)|(?:him|her|my)self|making (?:any )?sense)
    NOT (?:able|possible|respond(?:ing|ed|s)?|responsive|breathing|waking|moving|conscious|awake|alert)
    no (?:interval )?(?:change|difference|improvement|relief|response|better|let-?up|end|progress|increase|decrease)
    NOT (?:been |be )?(?:getting )?(?:improv\w+|better|go(?:ing|ne)? away|chang\w+|settl\w+|eas\w+)
    NOT (?:been |be )?(?:resolv\w+|reliev\w+|stop\w*|go)
    without (?:any )?(?:relief|improvement|success|effect|response|stopping|warning|help|treatment|insulin)
    (?:can't|cannot|couldn't|NOT|never|to|must|should) (?:yet )?(?:be |been )?(?:excluded?|ruled? out)
    never(?=[^.;]{0,80}\b(?:like this|like it|this bad|this severe|so bad|so severe|such|more)\b)
    (?:no|nil) (?:known )?(?:drug |food |medication )?allerg\w+, no (?:past |significant )?medical history
    no (?:other )?(?:past )?problems?, (?:on|under|having|receiving|started|needs) (?:\w+ )?(?:treatment|management) for
    (?:no|absent) (?:(?:distal|pedal|foot|radial|femoral|carotid) )?pulses?
    (?:no|absent) (?:stools?(?! incont)|flatus|wind|bowel (?:movements?|motions?)|urine output)
    (?:no|absent) (?:wet (?:nappies|nappy|diapers?)|fetal (?:mov\w+|heart\w*)|(?:cremasteric|gag) reflex\w*)
    (?:(?:second|minute|min|hour|hr|h|day|d|week|wk)s?'?|brief|short|acute|sudden|current)[\s-]+history(?: of)?
    history of (?:the |a |an )?(?:present\w*|sudden|acute|new|worsening|progressive)
    (?:since|began|begun|started|starting|onset|noticed) (?:about |around |over |nearly |almost )?LONG_AGO
    previously (?:well|healthy|fit|normal|independent|asymptomatic), prior to, previous (?:day|night|evening|hour)
    if (?:i|i'm|im|my|this|that|it|it's|he's|she's)(?: \w+)??(?: \w+)? (?:is|am|are|has|have|having|hurts?|feels?|can't)
    what (?:is|are|do|does|should|can|to|could|would|might) (?:i|we|he|she|my|his|her|wrong|happening|going|this)
    how (?:do|can|should|to) (?:i|we) (?:stop|help|save), what (?:should|do|can) (?:i|we) do (?:if|when)
"""

# What a thing is when one of these stands before it; ^ is the beginning of its clause.
BEFORE: dict[State, str] = {
    "negated": r"""
        no, nor, neither, none of, without, w/o, denies, denied, deny, denying, denial of, negative for, absence of
        absent, lack of, lacks?, lacking, free of, free from, rather than, instead of, no longer, non
        nothing to suggest, avoid(?:ing|s)?, ruled out, rules out, excluded, excludes, unlikely to be
        fails to (?:reveal|show), NOT, never
    """,
    "historical": r"""
        (?:previous|last|first|earlier) PAST_EVENT (?:was |were |had )?(?:ended |complicated |followed )?(?:with|by|in)
        history of, h/o, hx of, past (?:medical )?history, pmhx?, previous(?:ly)?, prior, remote, used to, status post
        (?:discharged|admitted|operated) (?:\w+ ){0,3}(?:(?:in|last) MONTH|LONG_AGO) (?:after|for|with|following)
        s/p, recover(?:ed|ing) from, survived, survivor of, ^LONG_AGO, ^in (?:19|20)\d\d, ^as an? (?:child|teenager)
        ^last year, ^in MONTH
    """,
    "someone else's": r"""
        family history, fhx?, family hx, (?:died|dies|dead|passed away) (?:of|from)
        KIN (?:once )?had(?= an? (?!temp|fever)(?:[\w-]+ ){1,5}at (?:age )?(?:1[3-9]|[2-9]\d)(?:[.,;?!]|$))
    """,
    "hypothetical": r"""
        what, why, which, how (?:is|are|do|does|can|should|to|common|likely|often|long|dangerous)
        when (?:should|is|do|does), who (?:gets|is at), is it true, define, explain, describe, list, discuss, compare
        (?:tell|teach) me (?:more )?about, learn about, signs? (?:and symptoms )?of, symptoms? of, causes? of
        features of, types of, definition of, prognosis of, danger of
        (?:diagnosis|treatment|management|prevention|complications|risk factors|prevalence|incidence) (?:of|for)
        difference between, information (?:on|about), leaflet (?:on|about), guidelines? (?:on|for), advice (?:on|about)
        education (?:on|about)
        (?:if|when) (?:he|she|someone|somebody|a person|the patient|you|they)(?: is| are| has| have)?, if
        should (?:he|she|you|they|the|any|there), in case, in the event of, unless
        (?:return|call|come back|seek help) (?:for|with), at risk, risks? (?:of|for|factors), chances? of
        (?:can|could|may|might) (?:also )?(?:cause|lead to|result in|trigger), prevent(?:s|ing)?
        (?:dreams?|nightmares?) (?:about|of), can (?:you|one|people|an?|the), watch (?:out )?for, look out for
        monitor(?:ed|ing)? for, screen(?:ed|ing)? for, assess(?:ing)? for, ask(?:ing)? about, afraid of, fear of
        scared of, worried about (?:having|getting|another), worry about (?:having|getting|another)
        (?:patients|people|children|adults|women|men|those|anyone|persons|individuals) (?:with|who|having)
        talk(?:ed|ing)? about, prone to
    """,
}

# The same for what stands after it.
AFTER: dict[State, str] = {
    "negated": r"""
        (?:is |are |was |were |been |being |all |both )*(?:ruled out|excluded|absent|denied|negative|disproved|unlikely)
        not (?:present|found|seen|detected|noted|reported|observed|demonstrated|evident|the case)
        never (?:happened|occurred)
        (?:is|are|was|were)(?:n't|nt) (?:present|found|seen|detected|noted|reported|there|the case)
        no(?=[.,;]|$), none, nil, \(-\)
        (?:now |since |completely |fully )*(?:resolved|gone away|subsided)
    """,
    "historical": r"""
        LONG_AGO, last (?:year|winter|spring|summer|autumn|fall|MONTH), in (?:19|20)\d\d, in MONTH
        as an? (?:child|teenager|baby|infant)
        in the past(?! (?:[\w-]+ ){0,2}?(?:hours?|hrs?|minutes?|mins?|days?|nights?|weeks?))
        when (?:i|he|she|they) (?:was|were) (?:\d\w*|a child|young|little|born), in childhood
        at (?:the )?age (?:of )?\d+
    """,
    "someone else's": r"runs? in (?:the|my|his|her|their) family, in (?:the|my|his|her) family",
    "hypothetical": r"""
        (?:develops?|occurs?|happens?|recurs?|worsens?|appears?),? (?:seek|call|return|go|come|contact|stop)
        :? ?(?:what are|what is) (?:the )?(?:signs|symptoms|treatment|causes)
    """,
}

# Where the scope of a trigger ends: for every state, then for each.
ENDS = r"""
    but, however, although, though, except, apart from, aside from, other than, nevertheless, yet, still, despite
    which, because, as (?:i|he|she|they|my|his|her|there), so i, until, presents?, presenting, presented
    complain\w*, reports?, reported, admits?, endorses?, positive for, brought in, arrives?
    (?:and|then|&) (?:then |now |also |suddenly )?(?:i|i'm|im|he|he's|she|she's|they|we|my|his|her|their|the|there|it)
    (?:and|then|&) (?:then |now |also |suddenly )?(?:an?|is|are|was|has|had|have|now|does|did|can't|cannot|felt|feels?)
    (?:and|then|&) (?:then |now |also |suddenly )?(?:develop\w*|start\w*|began|went|fell|collaps\w*|sever\w+|sudden\w*)
    who (?:is|has|have|was|now|came)
"""

ENDS_OF: dict[State, str] = {
    "negated": r"only, besides, due to, caused by",
    "historical": r"""
        and, with, now, today, tonight, currently, at present, just, this (?:morning|afternoon|evening|week), new(?:ly)?
        acute(?:ly)?, sudden(?:ly)?, worsening, has, is, are, am, having, comes? in, came in, developed
    """,
    "someone else's": r"""
        and (?:now|has|is), now, today, tonight, just, suddenly, (?:i|he|she|the patient|patient) (?:have|has|am|is|had)
    """,
    "hypothetical": r"""
        (?:i|i'm|im|he|she|they|someone|(?:my|our|this|the) \w+) (?:\w+ )?(?:is|am|are|has|have|had|just|keeps?), i'm
        im, he's, she's, i feel, i can't, i cannot
        (?:an?|the|this|my|our|his|her) PERSON(?:'s)? (?:who|with|whose|has|have|had|having|presenting)
        (?:my|our) KIN(?:'s| with| who)
    """,
}
