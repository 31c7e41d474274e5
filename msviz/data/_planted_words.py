"""The words of the planted shop: its scenarios, its fields and the values that people read."""

from dataclasses import dataclass
from typing import Any

DAYS = 61
FIRST_DAY = 20148  # 2025-03-01, in days since 1970-01-01
VALID_DAY, TEST_DAY = 48, 52  # the last nine days are test, the four before them valid
BASE_FIELDS = 21


@dataclass(frozen=True)
class Family:
    """A kind of scenario: its share of the rows, its click rate and how people enter it."""

    name: str
    share: float
    click_rate: float
    entries: tuple[float, ...]
    modules: tuple[float, ...]


FAMILIES = (
    Family("Home feed", 0.585, 0.20, (0.70, 0.15, 0.03, 0.05, 0.07), (0.10, 0.45, 0.30, 0.15)),
    Family("Search", 0.265, 0.32, (0.25, 0.03, 0.60, 0.04, 0.08), (0.05, 0.60, 0.25, 0.10)),
    Family("Cart page", 0.10, 0.42, (0.55, 0.30, 0.05, 0.02, 0.08), (0.02, 0.38, 0.40, 0.20)),
    Family("Live stream", 0.043, 0.13, (0.30, 0.30, 0.05, 0.30, 0.05), (0.35, 0.45, 0.15, 0.05)),
    Family("Flash sale", 0.007, 0.27, (0.35, 0.45, 0.02, 0.08, 0.10), (0.50, 0.30, 0.15, 0.05)),
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
    "position": [str(place) for place in range(1, 11)],
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
