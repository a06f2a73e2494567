"""What counts as an emergency: kind, notice, and the rules that raise it, in the words of findings.py."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Emergency:
    """`rules`: findings joined by " + " must all be present; any one rule raises the notice."""

    kind: str
    notice: str
    rules: tuple[str, ...]


CALL = "Call your emergency number now (112, 999, 911)."

# Self-harm comes first and differs: it asks to talk before it asks to call.
SELF_HARM = Emergency(
    "self-harm",
    "You do not have to face this alone, and you can talk to someone right now: 988 (US and Canada, call or text), "
    "116 123 (Samaritans in the UK and Ireland; helplines in much of Europe), 13 11 14 (Lifeline in Australia), or "
    "findahelpline.com elsewhere. If life is in danger, or something has already been taken or done, call your "
    "emergency number now (112, 999, 911). Stay with someone you trust and put means of harm out of reach.",
    ("self-harm",),
)

EMERGENCIES = (
    SELF_HARM,
    Emergency(
        "unconscious",
        f"Someone who does not respond or breathe normally needs help at once. {CALL} If they are not breathing "
        "normally, start chest compressions; the call handler will guide you.",
        ("unconscious", "not breathing", "drowned"),
    ),
    Emergency(
        "heart",
        f"Chest pain like this can be a heart attack or another emergency of heart or lungs. {CALL} Sit and rest; do "
        "not drive yourself.",
        ("heart attack", "troponin raised", "chest pain + crushing", "chest pain + severe", "chest pain + sudden",
         "chest pain + spread to arm or jaw", "chest pain + sweating", "chest pain + breathless", "chest pain + faint",
         "chest pain + vomiting", "chest pain + at rest", "spread to arm or jaw + sweating + breathless"),
    ),
    Emergency(
        "aorta",
        f"This could be a tear or rupture of the main artery. {CALL}",
        ("tearing pain", "aortic emergency"),
    ),
    Emergency(
        "lung-clot",
        f"This could be a blood clot in the lungs. {CALL}",
        ("lung clot", "breathless + leg swollen", "breathless + coughing blood", "chest pain + coughing blood",
         "chest pain + leg swollen"),
    ),
    Emergency(
        "breathing",
        f"Severe trouble breathing is an emergency. {CALL} Sit upright; use a prescribed reliever inhaler. If someone "
        "chokes and cannot cough: back blows, then abdominal thrusts.",
        ("cannot breathe", "blue lips", "choking", "low oxygen"),
    ),
    Emergency(
        "stroke",
        f"This could be a stroke: face, arms, speech, time. {CALL} Note when it began; nothing to eat or drink.",
        ("stroke", "face drooping", "speech slurred", "one side weak + sudden", "one side weak + confused",
         "one side weak + half of the body"),
    ),
    Emergency(
        "headache",
        f"A sudden or worst-ever headache can be bleeding in the brain. {CALL}",
        ("thunderclap headache",),
    ),
    Emergency(
        "anaphylaxis",
        f"This could be anaphylaxis. {CALL} Use an adrenaline (epinephrine) auto-injector at once if there is one; "
        "lie down with legs raised, or sit up if breathing is hard.",
        ("anaphylaxis", "throat swelling", "face or lips swelling + breathless", "face or lips swelling + allergen",
         "hives + breathless", "hives + faint", "hives + vomiting + allergen", "allergen + breathless + just exposed",
         "allergic reaction + breathless", "allergic reaction + faint"),
    ),
    Emergency(
        "bleeding",
        f"Heavy bleeding is an emergency. {CALL} Press firmly on a bleeding wound and do not let go.",
        ("major bleeding", "vomiting blood", "blood in stool + faint", "blood in stool + shock"),
    ),
    Emergency(
        "sepsis",
        f"This could be sepsis. {CALL} Say that you are worried about sepsis.",
        ("sepsis", "fever + confused", "fever + shock", "fever + drowsy", "fever + low immunity",
         "infection + confused", "infection + shock"),
    ),
    Emergency(
        "meningitis",
        f"This could be meningitis. {CALL} Do not wait for a rash.",
        ("meningitis", "fever + stiff neck", "headache + stiff neck", "fever + rash that does not fade",
         "fever + headache + light hurts", "fever + bulging fontanelle"),
    ),
    Emergency(
        "cauda-equina",
        "Pressure on the nerves at the base of the spine must be treated within hours. Go to an emergency department "
        "now, or call your emergency number.",
        ("cauda equina", "saddle numbness", "back or leg trouble + bladder or bowel lost"),
    ),
    Emergency(
        "pregnancy",
        f"This can be dangerous for mother or child. {CALL} Or call your maternity unit at once.",
        ("ectopic", "baby moves less", "pregnant + bleeding", "pregnant + seizure", "pregnant + belly pain + severe",
         "pregnant + belly pain + sudden", "pregnant + belly pain + faint", "after birth + major bleeding",
         "pregnant + belly pain + sharp or one-sided", "pregnant + headache + visual or liver signs",
         "after birth + seizure"),
    ),
    Emergency(
        "torsion",
        "A twisted testicle or ovary must be operated on within hours. Go to an emergency department now.",
        ("torsion", "testicle pain + sudden", "testicle pain + severe", "testicle pain + vomiting"),
    ),
    Emergency(
        "poisoning",
        f"Treat this as poisoning, even without symptoms. {CALL} Or call your poison centre. Keep the packet; do not "
        "make anyone vomit.",
        ("overdose",),
    ),
    Emergency(
        "seizure",
        f"A seizure that lasts 5 minutes or more, or comes again, is an emergency. {CALL} Protect the head, put "
        "nothing in the mouth, note the time.",
        ("seizure now", "seizure + long or repeated", "seizure + first time", "seizure + unconscious"),
    ),
    Emergency(
        "head-injury",
        f"A head injury with any of these signs needs urgent care. {CALL} Keep still if the neck may be hurt.",
        ("head injury + knocked out", "head injury + worse after head injury", "head injury + confused",
         "head injury + drowsy", "head injury + seizure", "head injury + unconscious"),
    ),
    Emergency(
        "diabetes",
        f"This could be a diabetic emergency. {CALL} Give sugar only if glucose is low and the person can swallow.",
        ("ketoacidosis", "diabetes + ketones", "high sugar + vomiting", "high sugar + confused", "high sugar + drowsy",
         "diabetes + vomiting + deep breathing", "diabetes + vomiting + confused", "diabetes + unconscious",
         "low sugar + confused", "low sugar + unconscious", "low sugar + seizure"),
    ),
    Emergency(
        "sight",
        "Sudden loss of sight, or a chemical in the eye, needs an emergency department now. Rinse a chemical out with "
        "running water for 20 minutes first.",
        ("sight lost",),
    ),
    Emergency(
        "abdomen",
        f"This could be an emergency in the belly. {CALL} Do not eat or drink.",
        ("rigid abdomen", "belly pain + severe + sudden", "belly pain + severe + faint", "belly pain + severe + shock",
         "belly pain + sudden + shock"),
    ),
    Emergency(
        "limb",
        f"The blood supply of a limb may be blocked: hours count. {CALL}",
        ("limb without blood",),
    ),
    Emergency(
        "burn",
        f"This needs emergency care. {CALL} Cool a burn under running water for 20 minutes; after electricity or "
        "smoke be seen even if well.",
        ("serious burn",),
    ),
    Emergency(
        "infant",
        f"These are signs of serious illness in a baby. {CALL}",
        ("young infant + fever", "infant + floppy", "infant + blue lips", "infant + drowsy"),
    ),
)  # fmt: skip
