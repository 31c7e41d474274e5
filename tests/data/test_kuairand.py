"""KuaiRand: a tiny log in the official layout, worked by hand, and the real slice where it lies beside."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from msviz.data.kuairand.signals import before
from msviz.data.sources import kuairand
from msviz.dataset import SPLITS, Dataset
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
    settings = kuairand.KuairandOptions.model_validate(options)
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
    assert batch.histories is not None
    assert batch.histories.mask.sum(1).tolist() == [0, 1, 0, 2, 3]
    assert batch.histories.ids[4, :, 0].tolist() == [video["10"], video["11"], video["10"]]
    scenario = {name: i for i, name in enumerate(data.schema.scenario_names)}
    # The click in tab 4, which is not among those chosen, happened in an unseen scenario.
    assert batch.histories.scenario[4].tolist() == [scenario["Tab 1"], scenario["Tab 0"], 0]
    assert batch.histories.age[4].tolist() == [7_200, 7_140, 3_600]
    # Row 4 stands at the same moment as the click of row 5: that is no history.
    assert batch.histories.age[3].tolist() == [0, 3_600, 3_540]


def test_a_history_tells_tag_and_author_of_each_video(official: Path, tmp_path: Path) -> None:
    videos = official / "video_features_basic_pure.csv"
    videos.write_text(videos.read_text().replace('"39,11"', '"8,11"'))
    data, _ = load(official, tmp_path / "out", valid_from="2022-04-26", test_from="2022-04-26")
    (sequence,) = data.schema.sequences
    assert list(sequence.sides) == ["tag", "author_id"]
    batch = data.split("train").batch(slice(None), behaviours=True)
    assert batch.histories is not None
    # Row 6 follows clicks on 10, 11 and 10 (that one in the same second as row 4): each with its own author.
    author, video = data.schema.field("author_id"), data.schema.field("video_id")
    told = [[video.value_name(i) for i, _, _ in row] for row in batch.histories.ids[-1:].tolist()]
    assert told == [["10", "11", "10"]]
    assert [author.value_name(i) for _, _, i in batch.histories.ids[-1].tolist()] == ["100", "101", "100"]
    tag = data.schema.field("tag")
    assert [tag.value_name(i) for _, i, _ in batch.histories.ids[-1].tolist()] == ["39", "8", "39"]
    # Three clicks are followed by another row of their user; each is kept once.
    assert len(data.split("train").events[1]) == 3


def test_signals_are_means_of_the_days_before() -> None:
    days = np.array([10, 12, 13, 20, 40])
    found = before(days, np.array([[6.0, 0], [3.0, 4], [9.0, 0], [30.0, 2], [1.0, 1]]))
    nan = 1.0  # the change where it is not known
    assert found[:, :4].tolist() == [
        [0, 0, 0, nan],  # nothing before the first day
        [0, 6, 6, nan],  # the day before is not in the log: the change is not known
        [3, 4.5, 4.5, 3 / 4.5],
        [0, 0, 9, nan],  # of 13..19 the log holds 13 only
        [0, 0, 0, nan],
    ]
    # A mean of nothing clicked has no change either.
    assert found[1, 4:].tolist() == [0, 0, 0, 1]
    assert found[2, 4:].tolist() == [4, 2, 2, 2]


def test_signals_come_from_days_before_in_any_tab(official: Path, tmp_path: Path) -> None:
    log = official / "log_standard_4_22_to_5_08_pure.csv"
    days = {"valid_from": "2022-04-27", "test_from": "2022-04-28"}
    extra = [row(2, 10, 86_400 * day + n, n % 2, 1) for day in (1, 2, 3) for n in range(4)]
    log.write_text(log.read_text() + "".join(extra[:8]))
    data, _ = load(official, tmp_path / "out", tabs="1,0", **days)
    names = [field.name for field in data.schema.signals]
    assert names[:5] == ["active_users_1d", "active_users_3d", "active_users_7d", "active_users_change",
                         "impressions_1d"]  # fmt: skip
    assert data.schema.field("impressions_7d").label == "Impressions, 7 days"
    first, second = data.split("train").signals(np.array([0, len(data.split("train")) - 1]))
    assert first.tolist() == [0, 0, 0, 1] * 3
    # Monday: two users, six rows in three tabs, four clicks (a duplicate counts once).
    assert second.tolist() == [2, 2, 2, 1, 6, 6, 6, 1, 4, 4, 4, 1]
    (third,) = data.split("valid").signals(np.array([0]))
    # Tuesday: one user, four rows, two clicks.
    change = np.float32([1 / 1.5, 4 / 5, 2 / 3])
    assert third.tolist() == [1, 1.5, 1.5, change[0], 4, 5, 5, change[1], 2, 3, 3, change[2]]
    # What happens on a day or later changes nothing of what was known before it.
    log.write_text(log.read_text() + "".join(row(1, 12, 86_400 * 2 + 9_000 + n, 1, 1) for n in range(5)))
    later, _ = load(official, tmp_path / "later", tabs="1,0", **days)
    assert np.array_equal(later.split("valid").signals(np.array([0])), [third])
    # Days before --train-from count.
    some, _ = load(official, tmp_path / "some", tabs="1,0", train_from="2022-04-26", **days)
    assert some.split("train").signals(slice(0, 1)).tolist() == [second.tolist()]


def test_without_signals_and_with_a_schema_of_ones_own(official: Path, tmp_path: Path) -> None:
    data, _ = load(official, tmp_path / "out", signals=False)
    assert data.schema.signals == []
    (tmp_path / "own.yaml").write_text("""
fields:
  - {name: is_click, role: label}
  - {name: tab, role: scenario}
  - {name: user_id, role: user}
  - {name: video_id, role: item}
  - {name: orientation, role: item}
  - {name: history, role: behaviour, kind: sequence, of: video_id, sides: {orientation: history_orientation},
     time: history_time, max: 1}
  - {name: clicks_3d, role: signal}
  - {name: time_ms, role: time, unit: ms, utc_offset: 8}
split: {by: time}
""")
    own, _ = load(official, tmp_path / "own", schema=tmp_path / "own.yaml")
    batch = own.split("train").batch(slice(None), behaviours=True)
    assert batch.histories is not None and batch.signals is not None
    assert batch.histories.ids.shape[1:] == (1, 2)
    assert own.schema.field("orientation").value_name(int(batch.histories.ids[1, 0, 1])) == "portrait"
    assert batch.signals[:, 0].tolist() == [0] * len(batch)
    with pytest.raises(MsvizError, match="history: got 5; the schema file says it"):
        load(official, tmp_path / "other", schema=tmp_path / "own.yaml", history=5)
    with pytest.raises(MsvizError, match="column: got 'clicks_3d'; the source does not have it"):
        load(official, tmp_path / "other", schema=tmp_path / "own.yaml", signals=False)


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
    assert batch.histories is not None
    # user 2's sequence ends after the log's first row
    assert batch.histories.mask.sum(1).tolist() == [2, 3, 0, 4, 5]
    assert batch.histories.ids[0, -2:, 0].tolist() == [video["11"], video["10"]]
    assert batch.histories.age[0, -2:].tolist() == [5, 5]


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
    assert batch.histories is not None
    assert bool((batch.histories.age[batch.histories.mask] > 0).all())
    assert batch.histories.mask.sum(1).max() == 10
    assert float(batch.histories.mask.any(1).float().mean()) > 0.9


def test_the_real_slices_histories_are_those_of_the_clicks(slice_of_pure: tuple[Dataset, list[str]]) -> None:
    data, _ = slice_of_pure
    rows = np.arange(5, 28_377, 1_000)
    batch = data.split("test").batch(rows, behaviours=True)
    assert batch.histories is not None
    log = duckdb.sql(f"""
        SELECT DISTINCT user_id, video_id, time_ms, is_click
        FROM '{REAL}/log_standard_4_25_to_5_08_pure.parquet'
    """).fetchall()
    user, video = data.schema.field("user_id"), data.schema.field("video_id")
    column, checked = data.schema.index("user_id"), 0
    for place, now in enumerate((batch.time - 8 * 3600).tolist()):
        who = user.value_name(int(batch.fields[place, column]))
        own = sorted((time, str(item), click) for name, item, time, click in log if str(name) == who)
        if not own:  # a user of one training row shares the unknown id
            continue
        begin = own[0][0] // 1000
        clicks = [(time // 1000, item) for time, item, click in own if click and time // 1000 < now][-10:]
        kept = batch.histories.mask[place]
        moments = [now - age for age in batch.histories.age[place][kept].tolist()]
        inside = [moment for moment in moments if moment >= begin]  # the rest are watches before the log
        assert inside == [moment for moment, _ in clicks]
        items = batch.histories.ids[place][kept][:, 0].tolist()[len(moments) - len(inside) :]
        names = [video.value_name(item) if item else None for item in items]
        assert all(name in (None, item) for name, (_, item) in zip(names, clicks, strict=True))
        checked += len(inside)
    assert checked > 20


def test_the_real_slices_signals(slice_of_pure: tuple[Dataset, list[str]]) -> None:
    data, _ = slice_of_pure
    # Distinct rows of 2022-05-05 in all tabs, counted with an SQL query: the day before validation.
    ((users, shown, clicks),) = duckdb.sql(f"""
        SELECT count(DISTINCT user_id), count(*), sum(is_click)::BIGINT FROM (
            SELECT DISTINCT * FROM '{REAL}/log_standard_4_25_to_5_08_pure.parquet')
        WHERE (time_ms + 28800000) // 86400000 = {np.datetime64("2022-05-05").astype(int)}
    """).fetchall()
    names = [field.name for field in data.schema.signals]
    line = data.split("valid").signals(slice(None))
    assert np.unique(line, axis=0).shape == (1, 12)
    told = dict(zip(names, line[0].tolist(), strict=True))
    assert [told[f"{name}_1d"] for name in ("active_users", "impressions", "clicks")] == [
        users,
        shown,
        clicks,
    ]
    assert 0.5 < told["impressions_change"] < 1.0  # the holiday is over
    # Signals are kept once a day.
    assert sum(len(data.split(split)._signals[0]) for split in SPLITS) == 15
