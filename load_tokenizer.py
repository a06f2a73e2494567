"""Cache tokenizer, base model, embedder and cases for offline use, and prove that they load without a network.

    python load_tokenizer.py                        what config.yaml names: hub ids, or folders of your own
    python load_tokenizer.py --model.base gpt2      another base model
    python load_tokenizer.py --skip_weights         all but the weights of the base model

What is here already is checked and left alone. A download that breaks off goes on from its last byte with the
same command.
"""

import sys
from dataclasses import dataclass

from rich.console import Console
from rich.filesize import decimal
from rich.progress import Progress
from rich.table import Table

from langlearn import assets, config, errors
from langlearn.errors import UserError
from langlearn.files import download, hashes, model_files, proof


@dataclass
class Options:
    """this run"""

    skip_weights: bool = False
    """Leave out the weights of the base model: tokenizer and config only."""
    proof_only: bool = False
    """Download nothing; only load everything with the hub switched off."""


def main(argv: list[str]) -> None:
    settings, options = config.load(argv, Options, prog="load_tokenizer.py")
    weights = not options.skip_weights
    if options.proof_only:
        proof.load_everything(settings, weights)
        return
    wanted = assets.wanted(settings)
    print(f"profile {settings.profile}: {settings.profile_reason}\n")
    fetch_what_is_missing(wanted, weights)
    print()
    Console(highlight=False).print(table(*wanted, weights))
    print("\nLoading each of them with the hub switched off:", flush=True)
    if code := proof.in_child([__file__, *sys.argv[1:], "--proof_only"]):
        sys.exit(code)
    print("\nReady: from here on no network is needed. Next: python medical_diagnosis_gpu.py")


def fetch_what_is_missing(wanted: list[assets.Asset], weights: bool) -> None:
    missing, absent = [asset for asset in wanted if asset.missing(weights=weights)], []
    if not missing:
        print("Nothing to download: all of it is on this machine.")
    for asset in missing:
        try:
            if asset.hub_id:
                print(f"Fetching {asset.kind} {asset.hub_id}", flush=True)
                download.fetch(asset, weights)
            asset.require(weights=weights)
        except download.Unreachable as error:
            absent.append(asset)
            reason = error
    if absent:
        print(f"\n{reason}\n\n" + "\n".join(download.by_hand(asset, weights) for asset in absent), flush=True)
        names = ", ".join(f"{asset.setting} {asset.ref}" for asset in absent)
        raise UserError(f"missing {names}, and no network:\nput them where the lines above say")


def table(base: assets.Asset, embedder: assets.Asset, cases: assets.Asset, weights: bool) -> Table:
    """What, where, size and hash of everything a run reads."""
    model, vectors, corpus = base.find(weights=weights), embedder.find(), cases.find()
    parts = [
        ("tokenizer", model, model_files.tokenizer_files(model)),
        ("base model" if weights else "config only", model, model_files.identity_files(model, weights)),
        ("embedder", vectors, model_files.identity_files(vectors)),
        ("cases", corpus, assets.corpus_files(corpus)),
    ]
    drawn = Table("what", "where", "size", "sha256", box=None, pad_edge=False)
    drawn.columns[1].overflow = "fold"
    with Progress(transient=True, disable=not sys.stdout.isatty()) as progress:
        bar = progress.add_task("reading", total=sum(file.stat().st_size for _, _, files in parts for file in files))
        for what, place, files in parts:
            digest = hashes.combined(place, files, lambda read: progress.advance(bar, read))
            size = decimal(sum(file.stat().st_size for file in files))
            drawn.add_row(what, model_files.shown(place), size, digest[:12])
    return drawn


if __name__ == "__main__":
    errors.run(main)
