"""KuaiRand: a tiny log in the official layout, worked by hand, and the real slice where it lies beside."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from msviz.data import kuairand
from msviz.data._dataset import Dataset
from msviz.errors import MsvizError

REAL = Path(__file__).parents[2] / "../shared/data/kuairand_pure"
LOG = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,"
    "play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab\n"
)
# 2022-04-25 00:00:00 at Shanghai is 2022-04-24 16:00:00 UTC.
MIDNIGHT = 1_650_816_000_000
USERS = (
    "user_id,user_active_degree,is_lowactive_period,is_live_streamer,is_video_author,follow_user_num,"
    "follow_user_num_range,fans_user_num,fans_user_num_range,friend_user_num,friend_user_num_range,"
    "register_days,register_days_range," + ",".join(f"onehot_feat{n}" for n in range(18)) + "\n"
)
VIDEOS = (
    "video_id,author_id,video_type,upload_dt,upload_type,visible_status,video_duration,server_width,"
    "server_height,music_id,music_type,tag\n"
)


def row(
    user: int, video: int, second: float, click: int, tab: int, long_view: int = 0, duration: int = 9_500
) -> str:
    time = MIDNIGHT + round(second * 1000)
    return f"{user},{video},20220425,0,{time},{click},0,0,0,0,0,{long_view},77,{duration},0,0,0,0,{tab}\n"


def traits(user: int, active: str, live: int) -> str:
    rest = ",".join(["1.0" if n == 4 else str(n % 2) for n in range(18)])
    return f'{user},{active},0,{live},{user % 2},514,500+,150,"[5k,1w)",34,"[30,60)",799,730+,{rest}\n'


@pytest.fixture
def official(tmp_path: Path) -> Path:
    folder = tmp_path / "KuaiRand-Pure"
    folder.mkdir()
    first = [row(1, 10, 0, 1, 1), row(1, 11, 60, 1, 0), row(2, 10, 90, 0, 1, 1), row(2, 10, 90, 0, 1, 1)]
    later = [row(1, 12, 3_600, 0, 1), row(1, 10, 3_600, 1, 4), row(1, 11, 7_200, 1, 1, duration=20_000)]
    (folder / "log_standard_4_08_to_4_21_pure.csv").write_text(LOG + "".join(first))
    (folder / "log_standard_4_22_to_5_08_pure.csv").write_text(LOG + "".join(later))
    (folder / "log_random_4_22_to_5_08_pure.csv").write_text(LOG + row(1, 13, 5, 1, 1))
    (folder / "user_features_pure.csv").write_text(
        USERS + traits(1, "full_active", -124) + traits(2, "UNKNOWN", 1)
    )
    videos = [
        f'{v},{v + 90},NORMAL,2022-04-10,Web,0.0,9500.0,720,{1280 - v},7,9.0,"39,{v}"\n' for v in (10, 11, 12)
    ]
    (folder / "video_features_basic_pure.csv").write_text(VIDEOS + "".join(videos))
    (folder / "video_features_statistic_pure.csv").write_text("video_id,show_cnt\n10,5\n")
    return folder


def load(folder: Path, out: Path, **options: object) -> tuple[Dataset, list[str]]:
    lines: list[str] = []
    settings = kuairand.Options.model_validate(options)
    return kuairand.import_log(str(folder), out, settings, lines.append), lines


def names(data: Dataset, split: str, field: str) -> list[str]:
    known = data.schema.field(field)
    return [known.value_name(int(index)) for index in data.split(split).column(field)]


def test_the_official_tables_are_joined_without_what_leaks(official: Path, tmp_path: Path) -> None:
    data, lines = load(official, tmp_path / "out", valid_from="2022-04-26", test_from="2022-04-26")
    assert "1 of 7 rows are exact duplicates: dropped" in lines
    assert data.rows == {"train": 6, "valid": 0, "test": 0}
    known = {field.name for field in data.schema.features}
    assert not known & {
        "is_like",
        "long_view",
        "play_time_ms",
        "profile_stay_time",
        "is_rand",
        "visible_status",
    }
    assert "show_cnt" not in known
    assert data.schema.role("label").name == "is_click"  # type: ignore[union-attr]
    # In the order of time; rows keep their place among the seven of the log.
    assert data.split("train").row.tolist() == [0, 1, 2, 4, 5, 6]
    assert data.split("train").label.tolist() == [1, 1, 0, 0, 1, 1]
    assert names(data, "train", "tab") == ["Tab 1", "Tab 0", "Tab 1", "Tab 1", "Tab 4", "Tab 1"]
    assert names(data, "train", "Hour") == ["00:00", "00:00", "00:00", "01:00", "01:00", "02:00"]
    assert names(data, "train", "weekday") == ["Monday"] * 6
    assert names(data, "train", "user_active_degree")[:3] == ["fully active", "fully active", "missing"]
    assert names(data, "train", "is_live_streamer")[:3] == ["missing", "missing", "yes"]
    assert names(data, "train", "duration") == ["< 20 s"] * 5 + ["≥ 20 s"]
    assert data.split("train").time[0] == MIDNIGHT // 1000 + 8 * 3600
    assert "left out: register_days_range is the same for all users" in lines


def test_history_is_the_users_earlier_clicks_in_any_tab(official: Path, tmp_path: Path) -> None:
    data, _ = load(official, tmp_path / "out", valid_from="2022-04-26", test_from="2022-04-26", tabs="1,0")
    video = {name: 2 + i for i, name in enumerate(data.schema.field("video_id").vocabulary)}
    assert set(video) == {"10", "11"}  # 12 is seen once, which min_count 2 calls rare
    batch = data.split("train").batch(slice(None), behaviours=True)
    assert batch.row.tolist() == [0, 1, 2, 4, 6]
    assert batch.behaviours is not None and batch.mask is not None
    assert batch.behaviour_scenario is not None and batch.behaviour_age is not None
    assert batch.mask.sum(1).tolist() == [0, 1, 0, 2, 3]
    assert batch.behaviours[4, :, 0].tolist() == [video["10"], video["11"], video["10"]]
    scenario = {name: i for i, name in enumerate(data.schema.scenario_names)}
    # The click in tab 4, which is not among those chosen, happened in an unseen scenario.
    assert batch.behaviour_scenario[4].tolist() == [scenario["Tab 1"], scenario["Tab 0"], 0]
    assert batch.behaviour_age[4].tolist() == [7_200, 7_140, 3_600]
    # Row 4 stands at the same moment as the click of row 5: that is no history.
    assert batch.behaviour_age[3].tolist() == [0, 3_600, 3_540]


def test_earlier_sequences_beside_the_log_come_first(official: Path, tmp_path: Path) -> None:
    content = {
        "user_id": [1, 2],
        "last_time_ms": [MIDNIGHT - 5_000, MIDNIGHT + 100_000],
        "watch_seq": [[11, 10], [12]],
    }
    parquet.write_table(pa.table(content), official / "derived_user_sequences_until_4_24.parquet")
    data, _ = load(official, tmp_path / "out", valid_from="2022-04-26", test_from="2022-04-26", tabs="1,0")
    batch = data.split("train").batch(slice(None), behaviours=True)
    video = {name: 2 + i for i, name in enumerate(data.schema.field("video_id").vocabulary)}
    assert batch.mask is not None and batch.behaviours is not None and batch.behaviour_age is not None
    assert batch.mask.sum(1).tolist() == [2, 3, 0, 4, 5]  # user 2's sequence ends after the log's first row
    assert batch.behaviours[0, -2:, 0].tolist() == [video["11"], video["10"]]
    assert batch.behaviour_age[0, -2:].tolist() == [5, 5]


def test_options_choose_label_history_days_and_the_random_log(official: Path, tmp_path: Path) -> None:
    data, _ = load(
        official, tmp_path / "out", label="long_view", history=0, random_log=True,
        valid_from="2022-04-26", test_from="2022-04-26",
    )  # fmt: skip
    assert data.split("train").label.sum() == 1
    assert data.schema.sequences == []
    assert data.rows["train"] == 7
    with pytest.raises(MsvizError, match="tabs: got '16'"):
        load(official, tmp_path / "other", tabs="16")
    with pytest.raises(MsvizError, match="the log holds tabs 0, 1, 4"):
        load(official, tmp_path / "other", tabs="9")
    with pytest.raises(MsvizError, match="come together"):
        load(official, tmp_path / "other", valid_from="2022-04-26")


def test_bad_rows_and_missing_tables(official: Path, tmp_path: Path) -> None:
    log = official / "log_standard_4_22_to_5_08_pure.csv"
    log.write_text(
        log.read_text() + row(1, 10, 9_000, 3, 1) + "1,2,3\n" + row(1, 10, 9_100, 1, 1, duration=-5)
    )
    with pytest.raises(MsvizError, match=r"3 of 10 rows \(30.0%\) cannot be read"):
        load(official, tmp_path / "out")
    data, _ = load(official, tmp_path / "out", allow_rejects=True)
    assert sum(data.rows.values()) == 6
    told = (tmp_path / "out.rejects.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in told[1:]] == ["5", "6", "7"]
    assert "is_click: got '3'; wanted 0 or 1" in told[1]
    assert "duration_ms: got -5; it cannot be negative" in told[3]
    (official / "user_features_pure.csv").unlink()
    with pytest.raises(MsvizError, match="no user_features_"):
        load(official, tmp_path / "other")
    log.write_text("user_id,video_id\n1,2\n")
    with pytest.raises(MsvizError, match="column: got 'time_ms'"):
        load(official, tmp_path / "other")
    assert [path.name for path in tmp_path.glob(".*")] == []


@pytest.fixture(scope="module")
def slice_of_pure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Dataset, list[str]]]:
    if not REAL.is_dir():
        pytest.skip(f"no real KuaiRand data at {REAL.name} beside the repository")
    out = tmp_path_factory.mktemp("kuairand") / "pure"
    yield load(REAL, out, tabs="1,0,4,6,2", valid_from="2022-05-06", test_from="2022-05-07", history=10)


def test_the_real_slice(slice_of_pure: tuple[Dataset, list[str]]) -> None:
    data, lines = slice_of_pure
    assert "5,460 of 228,329 rows are exact duplicates: dropped" in lines
    assert data.schema.scenario_names[1:] == ["Tab 1", "Tab 0", "Tab 4", "Tab 2", "Tab 6"]
    # Counted with an SQL query over the log: distinct rows of the five tabs by local day.
    assert data.rows == {"train": 178_072, "valid": 13_411, "test": 28_377}
    assert data.meta["origin"]["rejected"] == 0


def test_the_real_slices_histories_lie_before_their_rows(slice_of_pure: tuple[Dataset, list[str]]) -> None:
    data, _ = slice_of_pure
    batch = data.split("test").batch(np.arange(0, 28_377, 7), behaviours=True)
    assert batch.mask is not None and batch.behaviour_age is not None
    assert bool((batch.behaviour_age[batch.mask] > 0).all())
    assert batch.mask.sum(1).max() == 10
    assert float(batch.mask.any(1).float().mean()) > 0.9
