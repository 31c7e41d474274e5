"""Choose the log of an experiment, in the data folder or uploaded, and what of it is shown."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app import links, shelf, view
from app.markdown import escape_markdown
from app.navigation import PageInfo
from msviz.data import experiment as log_file
from msviz.errors import MsvizError
from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.run import Run

PAGE = PageInfo(
    title="Experiments",
    icon=":material/experiment:",
    section="Decisions",
    order=1,
    questions=("online_lift",),
)
VIEWS = ("Scenarios", "Days", "Periods")
NO_LOG = (
    "An experiment's log is a table with the columns date, scenario, arm, impressions and clicks; users, "
    "purchases, amount and period where they are known. Put one (CSV, TSV or Parquet) into the data folder, "
    "or upload one here: it is read for this visit and not kept."
)
PERIODS = "2025-05-11..2025-05-15 Spring sale; 2025-05-20..2025-05-21 Outage"
# A page reads what takes a second; a longer log is asked from the command line, and then found here.
MOST_BYTES = 20_000_000


@dataclass(frozen=True)
class ExperimentsChoice:
    """An answer about a log, and what of it is drawn."""

    finding: Finding
    view: str
    metric: str
    scenario: str
    simulated: bool
    order: tuple[str, ...]


def choose(run: Run | None) -> ExperimentsChoice | None:
    """Choose the log, its arms, the metric and the view."""
    # An experiment stands for itself; a run only lends its scenarios their colours.
    order = tuple(run.schema.scenario_names) if run else ()
    logs = {file.name: file for file in _logs()}
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with right:
        upload = st.file_uploader(
            "Another log",
            type=["csv", "tsv", "parquet", "gz"],
            key="experiment-upload",
            help="Read for this visit only; nothing is kept",
        )
    with left:
        if upload is None and logs:
            log = logs[links.choose("Log of an experiment", list(logs), "log", help="From the data folder")]
        elif upload is not None:
            st.markdown(f"**{escape_markdown(upload.name)}** (uploaded)")
    if upload is None and not logs:
        view.show_empty(
            "No experiment yet", NO_LOG, command="python benchmarks/demo_experiment.py", icon="experiment"
        )
        return None
    try:
        with _uploaded(upload) if upload is not None else contextlib.nullcontext(log) as path:
            return _choose_from(path, "own-" if upload is not None else "", order)
    except MsvizError as error:
        st.warning(escape_markdown(str(error)), icon=":material/error:")
        return None


def _logs() -> list[Path]:
    """Return the tables in the data folder that are logs of experiments."""
    return [
        file
        for file in sorted(shelf.data().glob("*"))
        if file.is_file() and _is_log(str(file), _modified(file))
    ]


def _modified(file: Path) -> int:
    return file.stat().st_mtime_ns


@st.cache_data(max_entries=200, show_spinner=False)
def _is_log(path: str, stamp: int) -> bool:
    return log_file.suits(Path(path))


@contextlib.contextmanager
def _uploaded(upload: UploadedFile) -> Iterator[Path]:
    """Lay an upload into a folder of its own that is gone when it has been read."""
    with tempfile.TemporaryDirectory(prefix="msviz-upload-") as folder:
        path = Path(folder) / Path(upload.name).name
        path.write_bytes(upload.getbuffer())
        yield path


def _choose_from(path: Path, prefix: str, order: tuple[str, ...]) -> ExperimentsChoice | None:
    """Choose what is shown of one log; an upload's choices, which start with `prefix`, are apart."""
    columns = st.columns([3, 2, 2], vertical_alignment="bottom")
    with st.expander("Arms, periods and planned shares", icon=":material/tune:"):
        arms = _read_arms(str(path), log_file.digest(path))
        options = _choose_arms(arms, prefix)
    if log_file.own_name("control", arms) is None:
        st.info(
            f"The log does not say which arm is the control: {escape_markdown(options['control'])} is taken. "
            "Choose it under Arms, periods and planned shares.",
            icon=":material/balance:",
        )
    finding = _ask(str(path), options)
    if finding is None:
        return None
    with columns[0]:
        metrics = [str(name) for name in finding.data["metric"].values]
        metric = links.choose("Metric", metrics, "lift-metric")
    with columns[1]:
        views = VIEWS if "period" in finding.data.dims else VIEWS[:2]
        shown = links.switch("View", views, "lift-view")
    scenario = ALL
    with columns[2]:
        if shown == "Days":
            names = [str(name) for name in finding.data["scenario"].values]
            scenario = links.choose("Scenario", ["The largest", *names], "lift-scenario")
    truth = log_file.truth(path)
    simulated = truth is not None and bool(truth.get("simulated"))
    return ExperimentsChoice(
        finding, shown.lower(), metric, "" if shown != "Days" else scenario, simulated, order
    )


def _choose_arms(arms: list[str], prefix: str) -> dict[str, Any]:
    """Choose the two arms, the planned share and names of periods."""
    first, second, third = st.columns(3, vertical_alignment="bottom")
    with first:
        control = links.choose("Control", arms, f"{prefix}control", default=_own_arm("control", arms, None))
    rest = [arm for arm in arms if arm != control]
    with second:
        default = _own_arm("treatment", rest, control)
        treatment = links.choose("Treatment", rest, f"{prefix}treatment", default=default)
    with third:
        share = st.number_input(
            "Treatment's planned share, %", 1, 99, 50, key=f"{prefix}share", bind="query-params",
            help="Of the traffic of the two arms; a warning tells when it came out otherwise",
        )  # fmt: skip
    periods = st.text_input(
        "Periods", key=f"{prefix}periods", bind="query-params", placeholder=PERIODS,
        help="Names for stretches of days; those of the log by default",
    )  # fmt: skip
    return {"control": control, "treatment": treatment, "share": share / 100, "periods": periods or ""}


@st.cache_data(max_entries=20, show_spinner="Reading the log …")
def _read_arms(path: str, digest: str) -> list[str]:
    return log_file.read(path).arms


def _own_arm(option: str, arms: list[str], taken: str | None) -> str | None:
    arm = log_file.own_name(option, arms)
    return arm if arm != taken else None


def _ask(path: str, options: dict[str, Any]) -> Finding | None:
    from msviz.analyses.answers import find_answer

    finding = shelf.load(find_answer("online_lift", options={"log": path, **options}))
    if finding is not None:
        return finding
    if Path(path).stat().st_size > MOST_BYTES:
        command = f"msviz analyse online_lift - --set log={path}"
        for key, value in options.items():
            command += f" --set '{key}={value}'" if value else ""
        view.show_empty(
            "A long log", "It takes a while to read: ask once, then it stands here.", command=command
        )
        return None
    return _compute(log_file.digest(path), path, options)


@st.cache_resource(max_entries=20, show_spinner="Working out lifts …")
def _compute(digest: str, _path: str, options: dict[str, Any]) -> Finding:
    from msviz.analyses.run import analyse

    return analyse("online_lift", log=_path, keep=False, **options)
