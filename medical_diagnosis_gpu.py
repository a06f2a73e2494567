"""Fine-tune an open language model on a corpus of medical cases with QLoRA.

    python medical_diagnosis_gpu.py                     every setting is in config.yaml
    python medical_diagnosis_gpu.py --plan              say what would happen on this machine, and stop
    CUDA_VISIBLE_DEVICES=0,1 python medical_diagnosis_gpu.py    both GPUs at once; no launcher needed
    tail -f logs/train.log                              watch it

Ctrl-C saves; the same command goes on from there and ends with the same adapter.
"""

import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from langlearn import errors


@dataclass
class Options:
    """this run"""

    plan: bool = False
    """Print the plan with its peak memory and time, and what would change them; load no weights, and stop."""
    fresh: bool = False
    """Drop the checkpoints of an interrupted run instead of resuming it."""


def main(argv: list[str]) -> None:
    began = time.monotonic()
    from langlearn.terminal import quiet

    quiet.libraries()  # and no network: load_tokenizer.py fetched everything
    from langlearn import checkpoint, config, hardware, launch, record

    settings, options = config.load(argv, Options, prog="medical_diagnosis_gpu.py")
    output = Path(settings.training.output)
    record.refuse_other_content(output)
    machine = hardware.describe()
    if options.plan:
        plan_or_train(settings, options, machine, began)
        return
    launch.relaunch_if_needed(machine)
    with checkpoint.alone(output) if launch.is_main() else nullcontext():
        plan_or_train(settings, options, machine, began)


def plan_or_train(settings, options: Options, machine, began: float) -> None:
    """The story; of a plan only its beginning. `began`: `time.monotonic()` of the command."""
    from langlearn import cases, finetuning, hardware, launch, model, pace, trainlog, whole
    from langlearn.terminal import display

    corpus = cases.read(settings.data)
    train, held_out = cases.split(corpus, settings.data.train_share, settings.data.seed)
    base_config = model.load_config(settings.model)
    finetuning.refuse_too_long(settings.training, settings.model.base, base_config)
    tokenizer = model.load_tokenizer(settings.model)
    settings.training.batch_size = finetuning.cases_per_step(settings.training, hardware.rank_count(machine))
    log = None if options.plan else trainlog.TrainLog(Path(settings.logs.folder), enabled=launch.is_main())
    if log:
        log.say(finetuning.opening(settings, corpus, train, held_out))
    with display.progress_bar() as progress:
        lesson = finetuning.prepare(settings, corpus, train, held_out, tokenizer, log, progress)
    plan = hardware.plan(settings, machine, base_config, lesson.lengths, lesson.answers)

    ranks = launch.init()
    try:
        plan = hardware.agreed(plan, ranks)
        done, refused = (0, "") if options.fresh else finetuning.interrupted(settings, corpus, plan)
        if refused and not options.plan:
            raise errors.UserError(refused)
        with display.progress_bar() as progress:
            progress("timing this machine", 0, None)
            to_embed = whole.to_embed(settings, corpus, train, held_out) if ranks.is_main else None
            plan = pace.timed(plan, settings, base_config, lesson, ranks)
            plan = whole.told(plan, settings, lesson, len(held_out), to_embed, began, done)
            if options.plan and not done:  # an interrupted run goes on as it began
                plan = pace.with_changes(plan, settings, base_config, lesson, ranks)
        if options.plan:
            if ranks.is_main:
                print(plan.table() + (f"\n\nThis run would be refused: {refused}" if refused else ""))
            return
        log.say(plan.table())
        run = finetuning.fine_tune(settings, plan, ranks, log, lesson, corpus, tokenizer, fresh=options.fresh)
        if ranks.is_main:
            log.say(finetuning.closing(run, settings.asking))
    finally:
        launch.finish()
    if ranks.is_main:
        measure(settings, corpus, run, log)
        took = f"all of it took {trainlog.clock(time.monotonic() - began)}"
        all_of_it = plan.whole and run["steps"] == plan.pace.work.steps
        log.say(took + (f" (predicted {trainlog.clock(plan.whole.total)})" if all_of_it else ""))


def measure(settings, corpus, run: dict, log) -> None:
    """Base and tuned, with and without retrieval, as run_evaluation.py measures them; and the report of the run.

    The adapter is whole by now, whatever happens here.
    """
    from langlearn import machine, report
    from langlearn.measuring import results
    from langlearn.terminal import display

    found = None
    machine.give_back_freed_memory()  # the model that was trained; the adapter is loaded again, as its users will
    try:
        if settings.evaluation.cases:
            from langlearn import evaluation

            with display.progress_bar() as progress:
                run, found = evaluation.evaluate_run(settings, corpus, progress, settings.evaluation.cases)
            log.say(results.as_text(found))
        page = report.publish(Path(settings.training.output), Path(settings.logs.folder), run, found)
    except KeyboardInterrupt:
        log.say("measuring was interrupted; the adapter is whole: python run_evaluation.py measures it")
        sys.exit(130)
    log.say(f"report: {page}")


if __name__ == "__main__":
    errors.run(main)
