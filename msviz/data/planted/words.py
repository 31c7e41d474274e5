"""The words of the planted shop: its scenarios, its fields and the values that people read."""

from dataclasses import dataclass
from typing import Any

DAYS = 61
FIRST_DAY = 20148  # 2025-03-01, in days since 1970-01-01
VALID_DAY, TEST_DAY = 48, 52  # the last nine days are test, the four before them valid
BEFORE = 14  # days of clicks before the log starts
LATEST = 20  # clicks that a row's history holds at most
BASE_FIELDS = 21


@dataclass(frozen=True)
class Family:
    """A kind of scenario: its share of the rows, its click rate, how people enter it, who promotes it.

    `pull` is how the logarithm of its share grows in the middle of a promotion of strength 1.
    """

    name: str
    share: float
    click_rate: float
    entries: tuple[float, ...]
    modules: tuple[float, ...]
    pull: float = 0.0


FAMILIES = (
    Family("Home feed", 0.585, 0.20, (0.70, 0.15, 0.03, 0.05, 0.07), (0.10, 0.45, 0.30, 0.15)),
    Family("Search", 0.265, 0.32, (0.25, 0.03, 0.60, 0.04, 0.08), (0.05, 0.60, 0.25, 0.10)),
    Family("Cart page", 0.10, 0.42, (0.55, 0.30, 0.05, 0.02, 0.08), (0.02, 0.38, 0.40, 0.20)),
    Family("Live stream", 0.043, 0.13, (0.30, 0.30, 0.05, 0.30, 0.05), (0.35, 0.45, 0.15, 0.05), 0.5),
    Family("Flash sale", 0.007, 0.27, (0.35, 0.45, 0.02, 0.08, 0.10), (0.50, 0.30, 0.15, 0.05), 0.9),
)


@dataclass(frozen=True)
class Promotion:
    """A sale: first day of the log (0 = the first), days, and strength from 0 to 1."""

    name: str
    start: int
    days: int
    strength: float


# Two in training, of which models learn what a promotion does; one, in the test days, to show it.
PROMOTIONS = (
    Promotion("Spring sale", 10, 5, 1.0),
    Promotion("Brand week", 29, 8, 0.55),
    Promotion("Anniversary sale", 54, 4, 0.8),
)
# phase: (how far the mixture moves from own taste to what is hot, traffic added at strength 1)
PHASES = {
    "normal": (0.0, 0.0),
    "before": (0.2, -0.06),
    "during_first": (0.8, 0.9),
    "during_middle": (1.0, 0.6),
    "during_last": (0.75, 0.8),
    "after": (0.25, -0.04),
}
# name, title, unit; windows lie before the day, and only planned traffic is of the day itself
SIGNALS = (
    ("active_users_1d", "Active users, last day", "users"),
    ("active_users_3d", "Active users, 3 days", "users"),
    ("active_users_7d", "Active users, 7 days", "users"),
    ("gmv_1d", "GMV, last day", "thousand"),
    ("gmv_3d", "GMV, 3 days", "thousand"),
    ("gmv_7d", "GMV, 7 days", "thousand"),
    ("promotion_traffic_today", "Promotion traffic, planned for today", "visits"),
    ("promotion_traffic_3d", "Promotion traffic, 3 days", "visits"),
    ("promotion_traffic_7d", "Promotion traffic, 7 days", "visits"),
    ("active_users_change", "Active users, last day to 7 days", "ratio"),
    ("gmv_change", "GMV, last day to 7 days", "ratio"),
    ("promotion_traffic_change", "Promotion traffic, today to 7 days", "ratio"),
)

CATEGORIES = [
    *("Womenswear", "Menswear", "Shoes", "Sportswear", "Bags"),
    *("Jewellery", "Skincare", "Make-up", "Snacks", "Drinks"),
    *("Toys", "Baby care", "Phones", "Computers", "Audio"),
    *("Kitchen", "Furniture", "Garden", "Books", "Pet care"),
]
VALUES = {
    "gender": ["Women", "Men"],
    "age_level": ["under 18", "18–24", "25–34", "35–44", "45–54", "55 and over"],
    "city_tier": ["Tier 1", "Tier 2", "Tier 3", "Tier 4", "Rural"],
    "occupation": [
        *("Student", "Office work", "Trade", "Health care", "Teaching"),
        *("Engineering", "Service", "Homemaker", "Retired", "Own business"),
    ],
    "consumption_grade": ["Very low", "Low", "Medium", "High", "Very high"],
    "shopping_depth": ["New", "Occasional", "Regular", "Frequent", "Devoted"],
    "category": CATEGORIES,
    "brand": [f"Brand {number:03d}" for number in range(1, 201)],
    "price_band": ["under 10", "10–25", "25–50", "50–100", "100–250", "250 and over"],
    "seller": [f"Seller {number:03d}" for number in range(1, 251)],
    "hour": [f"{hour:02d}:00" for hour in range(24)],
    "weekday": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    "position": [str(number) for number in range(1, 11)],
    "device": ["Android phone", "iPhone", "Tablet", "Desktop"],
    "category_clicks_7d": ["0", "1", "2", "3–5", "6–10", "11 and more"],
    "entry": ["App icon", "Push message", "Search box", "Shared link", "Advertisement"],
    "scenario_position": ["Banner", "First screen", "Second screen", "Further down"],
    "item_scenario_clicks": ["under 10", "10–49", "50–199", "200–999", "1,000 and more"],
}
EDGES = {"category_clicks_7d": [0.5, 1.5, 2.5, 5.5, 10.5], "item_scenario_clicks": [9.5, 49.5, 199.5, 999.5]}
# name, title, role, specific; in the order of the columns
COLUMNS: tuple[tuple[str, str, Any, bool], ...] = (
    ("user_id", "User", "user", False),
    ("gender", "Gender", "user", False),
    ("age_level", "Age", "user", False),
    ("city_tier", "City tier", "user", False),
    ("occupation", "Occupation", "user", False),
    ("consumption_grade", "Consumption grade", "user", False),
    ("shopping_depth", "Shopping depth", "user", False),
    ("item_id", "Item", "item", False),
    ("category", "Category", "item", False),
    ("brand", "Brand", "item", False),
    ("price_band", "Price band", "item", False),
    ("seller", "Seller", "item", False),
    ("hour", "Hour", "context", False),
    ("weekday", "Weekday", "context", False),
    ("position", "Position", "context", False),
    ("device", "Device", "context", False),
    ("category_clicks_7d", "Clicks in category, 7 days", "cross", False),
    ("scenario", "Scenario", "scenario", True),
    ("entry", "Entry", "context", True),
    ("scenario_position", "Position in scenario", "context", True),
    ("item_scenario_clicks", "Item's clicks in scenario", "item", True),
)
EXTRA_VALUES = 12
USER_FIELDS = ("gender", "age_level", "city_tier", "occupation", "consumption_grade", "shopping_depth")
ITEM_FIELDS = ("category", "brand", "price_band", "seller")
