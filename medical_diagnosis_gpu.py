"""Fine-tune an open language model on a corpus of medical cases with QLoRA.

    python medical_diagnosis_gpu.py                     every setting is in config.yaml
    python medical_diagnosis_gpu.py --plan              say what would happen on this machine, and stop
    CUDA_VISIBLE_DEVICES=0,1 python medical_diagnosis_gpu.py    both GPUs at once; no launcher needed
    tail -f logs/train.log                              watch it

Ctrl-C saves; the same command goes on from there and ends with the same adapter.
"""

from dataclasses import dataclass
from pathlib import Path

from langlearn import errors


@dataclass
class Options:
    """this run"""

    plan: bool = False
    """Print the plan and the predicted peak memory, load no weights, and stop."""
    fresh: bool = False
    """Drop the checkpoints of an interrupted run instead of resuming it."""


def main(argv: list[str]) -> None:
    from langlearn import quiet

    quiet.libraries()  # and no network: load_tokenizer.py fetched everything
    from langlearn import cases, config, hardware, launch

    settings, options = config.load(argv, Options, prog="medical_diagnosis_gpu.py")
    machine = hardware.describe()
    if not options.plan:
        launch.relaunch_if_needed(machine)
    corpus = cases.read(settings.data)
    train, held_out = cases.split(corpus, settings.data.train_share, settings.data.seed)

    from langlearn import finetuning, model, trainlog

    base_config = model.load_config(settings.model)
    tokenizer = model.load_tokenizer(settings.model)
    settings.training.batch_size = finetuning.cases_per_step(settings.training, hardware.rank_count(machine))
    lesson = finetuning.prepare(settings, corpus, train, held_out, tokenizer, with_neighbours=not options.plan)
    plan = hardware.plan(settings, machine, base_config, lesson.lengths())
    if options.plan:
        print(plan.table())
        return

    ranks = launch.init()
    log = trainlog.TrainLog(Path(settings.logs.folder), enabled=ranks.is_main)
    try:
        log.say(finetuning.opening(settings, corpus, train, held_out))
        log.say(plan.table())
        run = finetuning.fine_tune(settings, plan, ranks, log, lesson, corpus, tokenizer, fresh=options.fresh)
        if ranks.is_main:
            log.say(finetuning.closing(run))
    finally:
        launch.finish()


if __name__ == "__main__":
    errors.run(main)
