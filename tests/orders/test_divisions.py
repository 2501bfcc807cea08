"""Places that exist, places that do not, and the many ways to write one."""

import csv
import gzip
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.divisions import (
    PROVINCE_TAGS,
    Place,
    UnknownPlace,
    check_place,
    cities,
    districts,
    normalise_place,
    provinces,
)

DATA = Path(__file__).with_name("data")
HEADINGS = {"省直辖县级行政区划", "自治区直辖县级行政区划"}
WITHOUT_DISTRICTS = {"东莞市", "中山市", "儋州市", "嘉峪关市"}


def read_rows(name):
    with gzip.open(DATA / name, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


PROVINCES = {row["code"]: row["name"] for row in read_rows("provinces.csv.gz")}
CITIES = {row["code"]: row["name"] for row in read_rows("cities.csv.gz")}
AREAS = [
    (PROVINCES[row["provinceCode"]], CITIES[row["cityCode"]], row["name"], row["code"])
    for row in read_rows("areas.csv.gz")
]
IN_CITY: dict[tuple[str, str], set[str]] = {}
for area_province, area_city, area_name, _code in AREAS:
    IN_CITY.setdefault((area_province, area_city), set()).add(area_name)


def official(province, city, district):
    if city in HEADINGS:
        return Place(province, district, "")
    if city in WITHOUT_DISTRICTS:
        return Place(province, city, "")
    return Place(province, province if city in ("市辖区", "县") else city, district)


def test_every_area_of_the_statistical_table_is_accepted_under_its_official_name():
    assert len(AREAS) == 2978
    for province, city, district, _ in AREAS:
        expected = official(province, city, district)
        assert normalise_place(province, city, district) == expected
        assert normalise_place(*expected) == expected
        assert check_place(province, city, district) == []


def test_every_area_is_accepted_without_the_province_and_city_endings():
    for province, city, district, _ in AREAS:
        short = province.removesuffix("省").removesuffix("市")
        expected = official(province, city, district)
        assert normalise_place(short, expected.city.removesuffix("市"), district) == expected


def labelled_cases():
    codes = {code: (province, city, name) for province, city, name, code in AREAS}
    with gzip.open(DATA / "parse_cases.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            label = json.loads(line)["expected"]
            if label.get("areaName"):
                yield label["provinceName"], label["cityName"], label["areaName"]
            elif label.get("region"):
                yield label["province"], label["city"], label["region"]
            elif label.get("code") in codes:
                yield codes[label["code"]]


def test_every_labelled_parse_case_that_names_a_district_is_accepted():
    cases = list(labelled_cases())

    assert len(cases) == 64
    assert [case for case in cases if check_place(*case)] == []


@pytest.mark.parametrize(
    ("written", "place"),
    [
        (("新疆", "乌鲁木齐", "天山区"), ("新疆维吾尔自治区", "乌鲁木齐市", "天山区")),
        (("新疆省", "喀什", "喀什市"), ("新疆维吾尔自治区", "喀什地区", "喀什市")),
        (("浙江", "杭州", "余杭"), ("浙江省", "杭州市", "余杭区")),
        (("北京", "北京", "东城区"), ("北京市", "北京市", "东城区")),
        (("北京市", "北京市", "东城区"), ("北京市", "北京市", "东城区")),
        (("北京市", "市辖区", "东城区"), ("北京市", "北京市", "东城区")),
        (("北京市", "", "东城区"), ("北京市", "北京市", "东城区")),
        (("重庆市", "重庆市", "忠县"), ("重庆市", "重庆市", "忠县")),
        (("重庆市", "县", "忠县"), ("重庆市", "重庆市", "忠县")),
        (("内蒙", "锡林郭勒", "锡林浩特"), ("内蒙古自治区", "锡林郭勒盟", "锡林浩特市")),
        (("吉林", "延边州", "延吉"), ("吉林省", "延边朝鲜族自治州", "延吉市")),
        (("贵州", "铜仁", "玉屏县"), ("贵州省", "铜仁市", "玉屏侗族自治县")),
        (("广东省", "东莞市", ""), ("广东省", "东莞市", "")),
        (("广东省", "东莞市", "东莞市"), ("广东省", "东莞市", "")),
        (("广东", "东莞", "长安"), ("广东省", "东莞市", "长安镇")),
        (("广东", "中山", "小榄镇"), ("广东省", "中山市", "小榄镇")),
        (("海南", "儋州", "那大镇"), ("海南省", "儋州市", "那大镇")),
        (("湖北", "仙桃", ""), ("湖北省", "仙桃市", "")),
        (("湖北", "省直辖", "神农架"), ("湖北省", "神农架林区", "")),
        (("新疆", "石河子市", "石河子市"), ("新疆维吾尔自治区", "石河子市", "")),
        (("海南", "", "陵水"), ("海南省", "陵水黎族自治县", "")),
        (("香港", "香港", "湾仔区"), ("香港特别行政区", "香港岛", "湾仔区")),
        (("澳门", "澳门", "氹仔"), ("澳门特别行政区", "澳门外岛", "嘉模堂区（氹仔）")),
        (("臺湾省", "臺北市", "大安区"), ("台湾省", "台北市", "大安区")),
        (("　浙江省", "杭 州\u200b市", "余杭区\n"), ("浙江省", "杭州市", "余杭区")),
        (("四川", "成都", "高新区"), ("四川省", "成都市", "高新区")),
        (("江苏", "苏州", "工业园区"), ("江苏省", "苏州市", "苏州工业园区")),
    ],
)
def test_a_place_is_found_however_it_is_written(written, place):
    assert normalise_place(*written) == Place(*place)


@pytest.mark.parametrize(
    ("written", "place"),
    [
        (("河南省", "洛阳市", "孟津县"), ("河南省", "洛阳市", "孟津区")),
        (("云南省", "楚雄州", "禄丰县"), ("云南省", "楚雄彝族自治州", "禄丰市")),
        (("西藏", "山南市", "错那县"), ("西藏自治区", "山南市", "错那市")),
        (("广西", "南宁市", "横县"), ("广西壮族自治区", "南宁市", "横州市")),
        (("浙江省", "杭州市", "下城区"), ("浙江省", "杭州市", "拱墅区")),
        (("浙江省", "杭州市", "江干区"), ("浙江省", "杭州市", "江干区")),
        (("山东省", "莱芜市", "莱城区"), ("山东省", "济南市", "莱芜区")),
        (("西藏", "那曲地区", "那曲县"), ("西藏自治区", "那曲市", "色尼区")),
    ],
)
def test_a_former_name_leads_to_its_successor(written, place):
    assert normalise_place(*written) == Place(*place)


@pytest.mark.parametrize(
    ("written", "field", "code"),
    [
        (("", "杭州市", "余杭区"), "province", "required"),
        (("浙江州", "杭州市", "余杭区"), "province", "unknown_province"),
        (("浙江省", "", "余杭区"), "city", "required"),
        (("浙江省", "南京市", "玄武区"), "city", "unknown_city"),
        (("浙江省", "杭州市", ""), "district", "required"),
        (("浙江省", "杭州市", "玄武区"), "district", "unknown_district"),
        (("北京市", "北京市", "朝阳县"), "district", "unknown_district"),
        (("重庆市", "市辖区", "忠县"), "district", "unknown_district"),
        (("广东省", "东莞市", "天河区"), "district", "unknown_district"),
        (("吉林省", "四平市", "公主岭市"), "district", "unknown_district"),
        (("河北省", "邢台市", "桥东区"), "district", "unknown_district"),
        (("浙江省", "杭州市", "余杭区 <script>"), "district", "unknown_district"),
    ],
)
def test_an_impossible_place_is_refused_naming_the_field(written, field, code):
    with pytest.raises(UnknownPlace) as refusal:
        normalise_place(*written)

    assert (refusal.value.field, refusal.value.code) == (field, code)
    assert [(error.field, error.code) for error in check_place(*written)] == [(field, code)]
    assert str(refusal.value.message)


@given(st.sampled_from(sorted(IN_CITY)), st.sampled_from(AREAS))
def test_a_district_of_another_city_is_refused(city, area):
    if area[2] not in IN_CITY[city] and not (area[0] == city[0] and area[1] == city[1]):
        province, name = city
        assert check_place(province, name, area[2])


def test_no_city_accepts_the_current_name_of_a_district_elsewhere():
    names = {area[2] for area in AREAS}
    also_theirs = {
        ("广东省", "中山市"): {"东区", "西区"},
        ("河北省", "省直辖县级行政区划"): {"定州市", "辛集市"},
    }
    for province, city in sorted(IN_CITY):
        foreign = names - IN_CITY[province, city] - also_theirs.get((province, city), set())
        assert [name for name in foreign if not check_place(province, city, name)] == []


@given(st.text(), st.text(), st.text())
def test_no_text_breaks_the_lookup(province, city, district):
    assert check_place(province, city, district)


def test_listed_places_are_accepted_as_listed():
    assert len(provinces()) == 34
    listed = 0
    for province in provinces():
        for city in cities(province):
            for district in districts(province, city) or [""]:
                assert normalise_place(province, city, district) == (province, city, district)
                listed += 1
    assert listed > 3300


def test_provinces_carry_their_shipping_tags():
    assert set(PROVINCE_TAGS) == set(provinces())
    assert "remote" in PROVINCE_TAGS["新疆维吾尔自治区"]
    assert PROVINCE_TAGS["海南省"] == {"island"}
    assert PROVINCE_TAGS["台湾省"] == {"customs"}
    assert PROVINCE_TAGS["浙江省"] == frozenset()


def test_an_official_name_costs_one_dictionary_access():
    normalise_place("浙江省", "杭州市", "余杭区")
    best = min(_seconds(lambda: normalise_place("浙江省", "杭州市", "余杭区")) for _ in range(5))
    assert best / 10_000 < 10e-6


def _seconds(call):
    started = time.perf_counter()
    for _ in range(10_000):
        call()
    return time.perf_counter() - started
