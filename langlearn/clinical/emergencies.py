"""What counts as an emergency: kind, notice, and the rules that raise it, which name findings.

The findings stand in findings.py, mishaps.py and signs.py.
"""

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
         "chest pain + vomiting", "chest pain + at rest", "spread to arm or jaw + sweating + breathless",
         "spread to arm or jaw + sweating + vomiting", "chest pain + dangerous pulse", "chest pain + shock",
         "dangerous pulse + faint", "dangerous pulse + shock"),
    ),
    Emergency(
        "aorta",
        f"This could be a tear or rupture of the main artery. {CALL}",
        ("tearing pain", "aortic emergency", "chest pain + through to the back + sudden",
         "chest pain + through to the back + pressure differs between the arms", "back pain + sudden + shock",
         "chest pain + aorta at risk + sudden", "chest pain + aorta at risk + severe", "back pain + sudden + faint",
         "back pain + aorta at risk + sudden", "back pain + aorta at risk + severe"),
    ),
    Emergency(
        "lung-clot",
        f"This could be a blood clot in the lungs. {CALL}",
        ("lung clot", "breathless + leg swollen", "breathless + coughing blood", "chest pain + coughing blood",
         "chest pain + leg swollen", "sharp pain on breathing + coughing blood", "breathless + sudden + clot risk",
         "breathless + sharp pain on breathing + sudden", "breathless + sharp pain on breathing + clot risk",
         "sharp pain on breathing + leg swollen"),
    ),
    Emergency(
        "breathing",
        f"Severe trouble breathing is an emergency. {CALL} Sit upright; use a prescribed reliever inhaler. If someone "
        "chokes and cannot cough: back blows, then abdominal thrusts.",
        ("cannot breathe", "blue lips", "choking", "low oxygen", "breathless + very fast breathing",
         "drooling + fever + cannot swallow"),
    ),
    Emergency(
        "stroke",
        f"This could be a stroke: face, arms, speech, time. {CALL} Note when it began; nothing to eat or drink.",
        ("stroke", "face drooping", "speech slurred", "one side weak + sudden", "one side weak + confused",
         "one side weak + half of the body", "limb fails + recent", "vertigo + brainstem sign + sudden"),
    ),
    Emergency(
        "headache",
        f"A sudden or worst-ever headache can be bleeding in the brain. {CALL}",
        ("thunderclap headache", "headache + sudden + never like this", "headache + sudden + faint",
         "headache + sudden + stiff neck"),
    ),
    Emergency(
        "anaphylaxis",
        f"This could be anaphylaxis. {CALL} Use an adrenaline (epinephrine) auto-injector at once if there is one; "
        "lie down with legs raised, or sit up if breathing is hard.",
        ("anaphylaxis", "throat swelling", "face or lips swelling + breathless", "face or lips swelling + allergen",
         "face or lips swelling + just exposed", "hives + breathless", "hives + faint", "hives + vomiting + allergen",
         "allergen + breathless + just exposed", "allergic reaction + breathless", "allergic reaction + faint",
         "allergic reaction + throat tight", "allergic reaction + cannot swallow", "allergic reaction + shock",
         "hives + shock", "hives + throat tight", "face or lips swelling + shock",
         "face or lips swelling + throat tight + sudden", "face or lips swelling + faint",
         "allergen + throat tight + just exposed", "allergen + shock + just exposed",
         "allergen + faint + just exposed"),
    ),
    Emergency(
        "bleeding",
        f"Heavy bleeding is an emergency. {CALL} Press firmly on a bleeding wound and do not let go.",
        ("major bleeding", "vomiting blood", "tarry stool", "blood in stool + faint", "blood in stool + shock",
         "blood in stool + very low hemoglobin", "bleeding + very low hemoglobin"),
    ),
    Emergency(
        "sepsis",
        f"This could be sepsis. {CALL} Say that you are worried about sepsis.",
        ("sepsis", "fever + confused", "fever + shock", "fever + drowsy", "fever + low immunity",
         "infection + confused", "infection + shock", "infection + low temperature", "confused + low temperature",
         "infection + crepitus", "infection + out of proportion", "confused + fast pulse + fast breathing",
         "infection + fast pulse + very fast breathing", "fever + blocked kidney", "low immunity + 38 or more"),
    ),
    Emergency(
        "meningitis",
        f"This could be meningitis. {CALL} Do not wait for a rash.",
        ("meningitis", "fever + stiff neck", "headache + stiff neck", "fever + rash that does not fade",
         "fever + headache + light hurts", "fever + bulging fontanelle", "fever + headache + confused",
         "fever + headache + drowsy", "rash that does not fade + floppy", "rash that does not fade + drowsy",
         "rash that does not fade + confused", "rash that does not fade + headache",
         "rash that does not fade + vomiting", "rash that does not fade + shock"),
    ),
    Emergency(
        "cauda-equina",
        "Pressure on the nerves at the base of the spine must be treated within hours. Go to an emergency department "
        "now, or call your emergency number.",
        ("cauda equina", "saddle numbness", "back or leg trouble + bladder or bowel lost",
         "back pain + paralyzed below", "back pain + legs failing"),
    ),
    Emergency(
        "pregnancy",
        f"This can be dangerous for mother or child. {CALL} Or call your maternity unit at once.",
        ("ectopic", "baby moves less", "pregnant + bleeding", "pregnant + seizure", "pregnant + belly pain + severe",
         "pregnant + belly pain + sudden", "pregnant + belly pain + faint", "after birth + major bleeding",
         "pregnant + belly pain + sharp or one-sided", "pregnant + headache + visual or liver signs",
         "after birth + seizure", "after birth + headache + visual or liver signs", "pregnant + very high pressure",
         "pregnant + belly was hit", "pregnant + no kicks"),
    ),
    Emergency(
        "torsion",
        "A twisted testicle or ovary must be operated on within hours. Go to an emergency department now.",
        ("torsion", "testicle pain + sudden", "testicle pain + severe", "testicle pain + vomiting",
         "testicle pain + recent", "ovary + belly pain + sudden", "ovary + belly pain + severe + vomiting"),
    ),
    Emergency(
        "poisoning",
        f"Treat this as poisoning, even without symptoms. {CALL} Or call your poison centre. Keep the packet; do not "
        "make anyone vomit.",
        ("overdose", "child + swallowed medicine", "drug taken + wide qrs", "drug taken + unconscious",
         "pinpoint pupils + drowsy", "pinpoint pupils + unconscious", "pinpoint pupils + slow breathing",
         "fumes source + headache", "fumes source + faint", "fumes source + vomiting"),
    ),
    Emergency(
        "seizure",
        f"A seizure that lasts 5 minutes or more, or comes again, is an emergency. {CALL} Protect the head, put "
        "nothing in the mouth, note the time.",
        ("seizure now", "seizure + long or repeated", "seizure + first time", "seizure + unconscious",
         "seizure + infant"),
    ),
    Emergency(
        "head-injury",
        f"A head injury with any of these signs needs urgent care. {CALL} Keep still if the neck may be hurt.",
        ("head injury + knocked out", "head injury + worse after head injury", "head injury + confused",
         "head injury + drowsy", "head injury + seizure", "head injury + unconscious", "head injury + head sign",
         "fall or crash + knocked out", "fall or crash + drowsy", "fall or crash + confused",
         "fall or crash + head sign", "fall or crash + unconscious", "fall or crash + paralyzed below", "brain bleed"),
    ),
    Emergency(
        "diabetes",
        f"This could be a diabetic emergency. {CALL} Give sugar only if glucose is low and the person can swallow.",
        ("ketoacidosis", "diabetes + ketones", "high sugar + vomiting", "high sugar + confused",
         "high sugar + drowsy", "diabetes + vomiting + deep breathing", "diabetes + vomiting + confused",
         "diabetes + unconscious", "low sugar + confused", "low sugar + unconscious", "low sugar + seizure",
         "low sugar + drowsy", "very low sugar", "high sugar + ketones", "high sugar + acidosis",
         "ketones + acidosis", "ketones + deep breathing", "fruity breath + vomiting", "fruity breath + drowsy",
         "fruity breath + confused", "fruity breath + thirst", "thirst + vomiting + deep breathing",
         "thirst + drowsy", "thirst + confused"),
    ),
    Emergency(
        "sight",
        "Sudden loss of sight, or a chemical in the eye, needs an emergency department now. Rinse a chemical out with "
        "running water for 20 minutes first.",
        ("sight lost", "eye pain + halos", "eye pain + red eye + misty vision + severe",
         "eye pain + red eye + misty vision + vomiting", "headache + red eye + misty vision",
         "giant cell + misty vision", "giant cell + brainstem sign", "fever + eye shut or bulging"),
    ),
    Emergency(
        "abdomen",
        f"This could be an emergency in the belly. {CALL} Do not eat or drink.",
        ("rigid abdomen", "belly pain + severe + sudden", "belly pain + severe + faint", "belly pain + severe + shock",
         "belly pain + sudden + shock", "belly pain + sudden + faint", "belly pain + sudden + sweating",
         "belly pain + out of proportion", "belly pain + vomiting + no stool or wind",
         "vomiting + distended + no stool or wind", "right lower pain + pain that moved",
         "right lower pain + fever + hurts to move", "right lower pain + vomiting + hurts to move",
         "right lower pain + fever + vomiting", "fever + jaundice + belly pain"),
    ),
    Emergency(
        "limb",
        f"A limb may be losing its blood supply: hours count. {CALL} Keep a severed part cool in a clean bag, not "
        "directly on ice.",
        ("limb without blood", "tense compartment", "cast + toes numb or blue", "limb discolored + sudden",
         "limb discolored + recent"),
    ),
    Emergency(
        "burn",
        f"This needs emergency care. {CALL} Cool a burn under running water for 20 minutes; after electricity or "
        "smoke be seen even if well.",
        ("serious burn", "child + burn + hot thing", "child + hot thing + spilled over",
         "burn + hot thing + delicate or wide + severe"),
    ),
    Emergency(
        "infant",
        f"These are signs of serious illness in a baby. {CALL}",
        ("young infant + fever", "infant + floppy", "infant + blue lips", "infant + drowsy",
         "young infant + 38 or more", "young infant + feeds poorly", "young infant + low temperature",
         "infant + green vomit", "infant + breathing pauses", "infant + not breathing", "infant + unconscious",
         "child + floppy + fever", "young infant + ill soon after birth"),
    ),
    Emergency(
        "vital-signs",
        f"Values like these can mean that life is in danger. {CALL} Do not wait for another sign.",
        ("systolic below 90", "coma scale below 14", "slow breathing", "above 40.5", "acidosis",
         "potassium or sodium dangerous", "extreme pressure + confused", "extreme pressure + visual or liver signs"),
    ),
)  # fmt: skip
