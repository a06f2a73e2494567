"""Names of drugs, as far as they must be told from other words: stems of international names, and names without one.

The list decides which drug a dose belongs to. A name that it does not know is still compared, as the word next to the
dose (doses.py).
"""

import re

# Stems of international non-proprietary names (WHO, "The use of stems"), and of their older relatives.
_ENDINGS = """
    adol alol antrone apine arsunate artem atropine azepam azepine azine azodone azolam azole azosin bactam bamate
    barbital barbitone bendazole bicin bucil caine calcitol capone cept ciclib cillin citabine codone conazole
    coxib cromil curonium cycline dipine dopa dronate dronic drostone ephrine estradiol estrel faxine fenac
    fentanil fibrate floxacin formin fungin gatran gepant gesterone gestrel giline gliclazide gliflozin glinide
    gliptin glitazone glutide grastim grel grelor idone imazole ipizide ipramine kinra lactone lafil lerenone
    lisib lukast mab mectin mib micin morphone mustine mycin nafine natide nib nidazole olid olol olone onide
    opram orphanol oterone oxacin oxanide oxetine oxicam oxifene parib parin penem peridol pezil phylline
    piprazole planin plase platin poetin pramide prazole pril prilat profen prost purine quantel quine racetam
    rafenib relin rubicin sartan semide setron solone sone statin staurin steride sterone stigmine sulfamide
    tadine tapide taxel terol thiazide thiouracil thyronine thyroxine tidine tocin toin traline trexate triptan
    triptyline tropium uracil vancin vir virine xaban zolam zolamide zoline zomib
""".split()
_BEGINNINGS = "cef cephalosp sulfa valpro".split()
_NAMES = """
    abciximab acamprosate acarbose acetaminophen acetazolamide acetylcysteine adenosine adrenaline albumin
    albuterol alendronate allopurinol amiloride aminophylline amiodarone amoxiclav amphetamine anastrozole
    artesunate aspart aspirin atropine azathioprine baclofen benzathine bicarbonate bisacodyl bismuth bosentan
    bromocriptine bumetanide buprenorphine bupropion buspirone cabergoline caffeine calcium cannabidiol
    carbamazepine carbidopa carbimazole carvedilol cefalexin cephalexin cetirizine charcoal chloramphenicol
    chlorhexidine chloride chloroquine chlorphenamine cholecalciferol ciclosporin cisplatin clarithromycin
    clavulanate clemastine clindamycin clonidine clopidogrel co-trimoxazole codeine colchicine colecalciferol
    colloid cortisone crystalloid cyanocobalamin cyclizine cyclobenzaprine cyclophosphamide cyclosporine
    dabigatran dapsone deferoxamine degludec desmopressin detemir dexamethasone dexmedetomidine dextroamphetamine
    dextrose digoxin dihydrocodeine diltiazem diphenhydramine dipyridamole disulfiram dobutamine docusate
    domperidone dopamine doxylamine drospirenone epinephrine ergocalciferol ergometrine erythropoietin estradiol
    ethambutol ethanol etomidate ezetimibe famotidine febuxostat fentanyl ferrous fexofenadine finasteride
    flecainide fluids flumazenil folate folic folinic fosfomycin fosphenytoin frusemide furosemide gabapentin
    gentamicin glargine glibenclamide gliclazide glimepiride glipizide glucagon gluconate glyceryl glycopyrrolate
    glycopyrronium guaifenesin haloperidol heparin hydralazine hydrocortisone hydroxocobalamin hydroxyurea
    hydroxyzine hyoscine immunoglobulin indapamide indometacin indomethacin insulin iodine ipratropium iron
    isoniazid isosorbide isotretinoin ivabradine ivermectin ketamine ketorolac labetalol lactulose lamotrigine
    leflunomide letrozole leucovorin levetiracetam levodopa levothyroxine linezolid lispro lithium loperamide
    loratadine macrogol magnesium mannitol meclizine melatonin memantine meperidine mercaptopurine mesalamine
    mesalazine metformin methadone methocarbamol methotrexate methyldopa methylene methylphenidate metoclopramide
    metolazone mifepristone milrinone minoxidil mirabegron mirtazapine misoprostol morphine mycophenolate naloxone
    naltrexone naproxen neostigmine nicotine nifedipine nitrofurantoin nitroglycerin nitroprusside noradrenaline
    norepinephrine nph octreotide ondansetron oxybutynin oxygen oxymetazoline oxytocin pancuronium paracetamol
    penicillamine pentoxifylline permethrin pethidine phenobarbital phenytoin phytomenadione piperacillin plasma
    platelets potassium pralidoxime pramipexole prednisolone prednisone pregabalin probenecid procainamide
    prochlorperazine promethazine propofol propylthiouracil protamine pseudoephedrine psyllium pyrazinamide
    pyridostigmine pyridoxine quetiapine quinine ranolazine rasburicase ribavirin rifampicin rifampin ropinirole
    salbutamol saline senna sevelamer sildenafil simethicone sirolimus sodium solifenacin spironolactone
    streptokinase sucralfate sugammadex sulfasalazine sulfate sulphate suxamethonium tacrolimus tamoxifen
    tamsulosin tazobactam terbutaline terlipressin testosterone thiamine thyroxine tinzaparin tirofiban tizanidine
    tolterodine topiramate tramadol tranexamic trazodone tretinoin trihexyphenidyl trimethoprim vaccine valproate
    varenicline vasopressin verapamil vigabatrin vincristine vitamin warfarin zinc zolpidem zopiclone
""".split()
_NOT_DRUGS = frozenset(
    "accept except concept precept baseline magazine medicine cholesterol cystatin histidine".split()
)
# Other names of the same substance.
_SAME = {
    "acetaminophen": "paracetamol", "tylenol": "paracetamol", "epinephrine": "adrenaline", "epipen": "adrenaline",
    "norepinephrine": "noradrenaline", "albuterol": "salbutamol", "frusemide": "furosemide",
    "lasix": "furosemide", "rifampin": "rifampicin", "meperidine": "pethidine", "cyclosporine": "ciclosporin",
    "mesalamine": "mesalazine", "glyburide": "glibenclamide", "advil": "ibuprofen", "benadryl": "diphenhydramine",
    "zofran": "ondansetron", "sulphate": "sulfate", "cephalexin": "cefalexin", "indomethacin": "indometacin",
    "cholecalciferol": "colecalciferol", "leucovorin": "folinic", "acetylsalicylic": "aspirin",
    "succinylcholine": "suxamethonium", "glycopyrrolate": "glycopyrronium", "nitroglycerin": "glyceryl",
}  # fmt: skip
_KNOWN = frozenset(_NAMES) | set(_SAME)
_BY_STEM = re.compile(rf"(?:{'|'.join(_BEGINNINGS)})\w{{3,}}|\w{{2,}}(?:{'|'.join(sorted(_ENDINGS, key=len)[::-1])})")
# Count only where they are the whole name: "morphine sulfate" is morphine, "potassium chloride" is itself.
SALTS = frozenset("sodium potassium sulfate chloride gluconate calcium magnesium bicarbonate acid".split())


def drug(word: str) -> str | None:
    """The one name under which a drug is compared, or None if the word is not known as a drug."""
    word = word.lower()
    if word.startswith("vitamin "):
        return word
    for form in (word, word.removesuffix("s")):
        if form not in _NOT_DRUGS and (form in _KNOWN or _BY_STEM.fullmatch(form)):
            return _SAME.get(form, form)
    return None
