"""What is said about jobs in English."""

from typing import TYPE_CHECKING

from roundsman.alerts.templates.en import duration, moment

if TYPE_CHECKING:
    from roundsman.alerts.templates.jobs import JobsFacts


def job_failing(facts: "JobsFacts") -> tuple[str, ...]:
    """The title, then further lines."""
    verb = {
        "timed_out": "does not get done within its timeout",
        "interrupted": "is cut off again and again",
    }.get(facts.outcome, "fails")
    if len(facts.jobs) > 1:
        verb = "fail in the same way"
    times = "" if facts.times < 2 else f", {facts.times}{'' if facts.is_whole else ' or more'} times in a row"
    return (
        f"{_jobs(facts)} {verb}: {facts.error}" if facts.error else f"{_jobs(facts)} {verb}",
        f"Since {moment(facts.since)}{times}",
        *_next(facts),
    )


def job_recovered(facts: "JobsFacts") -> tuple[str, ...]:
    works = "work" if len(facts.jobs) > 1 else "works"
    return (f"{_jobs(facts)} {works} again after {duration(facts.lasted)}",)


def job_overrunning(facts: "JobsFacts") -> tuple[str, ...]:
    usual = f"; a run usually takes {facts.usual_seconds:g} s" if facts.usual_seconds is not None else ""
    return (
        f"{_jobs(facts)} has been running for {duration(facts.running)}",
        f"Since {moment(facts.since)}; {duration(facts.allowed)} are the limit{usual}",
    )


def job_ended(facts: "JobsFacts") -> tuple[str, ...]:
    return (f"The long run of the job {facts.jobs[0]} has ended after {duration(facts.lasted)}",)


def jobs_missed(facts: "JobsFacts") -> tuple[str, ...]:
    ticks = "tick was" if facts.ticks == 1 else "ticks were"
    return (
        f"Nothing ran for {duration(facts.down)}: {facts.ticks} {ticks} missed",
        f"Since {moment(facts.since)}",
        *([", ".join(f"{job}: {ticks}" for job, ticks in facts.missed)] if facts.missed else []),
    )


def jobs_caught_up(facts: "JobsFacts") -> tuple[str, ...]:
    return (f"All jobs that missed ticks were done again, {duration(facts.lasted)} after the beginning",)


def job_silent(facts: "JobsFacts") -> tuple[str, ...]:
    return (
        f"{_jobs(facts)} runs but does nothing: {facts.counter} 0 where {facts.usual} is usual",
        f"Since {moment(facts.since)}, {facts.runs} runs in a row",
        *_next(facts),
    )


def job_speaks(facts: "JobsFacts") -> tuple[str, ...]:
    return (f"{_jobs(facts)} has results again after {duration(facts.lasted)}: {facts.counter}",)


def _jobs(facts: "JobsFacts") -> str:
    names = [*facts.jobs, *([f"{facts.more} more"] if facts.more else [])]
    if len(names) == 1:
        return f"The job {names[0]}"
    return f"The jobs {', '.join(names[:-1])} and {names[-1]}"


def _next(facts: "JobsFacts") -> tuple[str, ...]:
    return (f"Its next run is at {moment(facts.next_at)}",) if facts.next_at and len(facts.jobs) == 1 else ()
