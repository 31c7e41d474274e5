"""What KuaiRand's columns are, and their names for people."""

from msviz.data.kuairand.signals import signal_fields
from msviz.data.kuairand.tables import UTC_OFFSET
from msviz.schema import Field, Role, Schema, Split

SIDES = ("tag", "author_id")  # what a history tells of a video beside its id
# KuaiRand does not say which page a tab is, so tabs keep their numbers.
TAB_NAMES = {str(tab): f"Tab {tab}" for tab in range(15)}
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
YES = {"0": "no", "1": "yes"}
ACTIVE = {
    "full_active": "fully active",
    "high_active": "highly active",
    "middle_active": "moderately active",
    "low_active": "hardly active",
    "single_low_active": "active once",
    "2_14_day_new": "new, 2–14 days",
    "day_new": "new today",
    "30day_retention": "back after 30 days",
}
FANS = {
    "[5k,1w)": "[5k,10k)",
    "[1w,10w)": "[10k,100k)",
    "[10w,100w)": "[100k,1M)",
    "[100w,1000w)": "[1M,10M)",
}
UPLOAD = {
    "LongImport": "long import",
    "ShortImport": "short import",
    "LongCamera": "long camera",
    "ShortCamera": "short camera",
    "LongPicture": "long picture",
    "PictureSet": "picture set",
    "FollowShoot": "follow shoot",
    "AiCutVideo": "AI cut",
    "ShareFromOtherApp": "shared from another app",
}


def _field(name: str, role: Role, title: str, names: dict[str, str] | None = None, rare: int = 1) -> Field:
    return Field(name=name, role=role, title=title, names=names or {}, min_count=rare)


FIELDS = [
    _field("tab", "scenario", "Tab", TAB_NAMES),
    _field("user_id", "user", "User", rare=2),
    _field("user_active_degree", "user", "User activity", ACTIVE),
    _field("is_lowactive_period", "user", "User in a low period", YES),
    _field("is_live_streamer", "user", "User streams live", YES),
    _field("is_video_author", "user", "User uploads videos", YES),
    _field("follow_user_num_range", "user", "User follows"),
    _field("fans_user_num_range", "user", "User's fans", FANS),
    _field("friend_user_num_range", "user", "User's friends"),
    _field("register_days_range", "user", "Days since registration"),
    *(_field(f"onehot_feat{n}", "user", f"User trait {n}", rare=2) for n in range(18)),
    _field("video_id", "item", "Video", rare=2),
    _field("author_id", "item", "Video author", rare=2),
    _field("video_type", "item", "Video type", {"NORMAL": "normal", "AD": "advertisement"}),
    _field("upload_type", "item", "Upload type", UPLOAD),
    Field(name="duration", role="item", title="Video duration", kind="numeric", unit="s"),
    _field("orientation", "item", "Video orientation"),
    _field("music_id", "item", "Music", rare=2),
    _field("music_type", "item", "Music type"),
    _field("tag", "item", "Video tag", {}, 2),
    _field("hour", "context", "Hour", {str(hour): f"{hour:02d}:00" for hour in range(24)}),
    _field("weekday", "context", "Weekday", {str(day): name for day, name in enumerate(DAYS)}),
]


def propose_schema(columns: list[str], label: str, history: int, signals: bool, split: Split) -> Schema:
    """Return KuaiRand's schema: all that is known before the impression, of the columns that are there."""
    title = {"is_click": "Click", "long_view": "Long view"}[label]
    fields = [Field(name=label, role="label", title=title)]
    fields += [field for field in FIELDS if field.name in columns]
    if history:
        fields.append(
            Field(
                name="history",
                role="behaviour",
                kind="sequence",
                title="Earlier clicks",
                of="video_id",
                sides={name: f"history_{name}" for name in SIDES if name in columns},
                scenario="history_tab",
                time="history_time",
                max=history,
            )
        )
    if signals:
        fields += signal_fields()
    fields.append(Field(name="time_ms", role="time", title="Time", unit="ms", utc_offset=UTC_OFFSET))
    return Schema(fields=fields, split=split)
