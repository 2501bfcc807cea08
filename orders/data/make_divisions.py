"""Builds divisions.json.gz from the published lists of China's administrative divisions.

Run `python orders/data/make_divisions.py SOURCE_DIR`; docs/data.md names the sources. Everything
that is a matter of spelling is settled here, so that looking a place up is one dictionary access.
"""

import csv
import gzip
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TARGET = Path(__file__).with_name("divisions.json.gz")

Rows = list[dict[str, str]]
Districts = dict[str, list[str]]

MUNICIPALITIES = {"11", "12", "31", "50"}
COUNTIES_UNDER_PROVINCE = {"4190", "4290", "4690", "6590"}
WITHOUT_DISTRICTS = {"4419", "4420", "4604", "6202"}

PROVINCE_SPELLINGS = {
    "内蒙古自治区": ["内蒙古", "内蒙", "内蒙古省"],
    "广西壮族自治区": ["广西", "广西省", "广西自治区"],
    "西藏自治区": ["西藏", "西藏省"],
    "宁夏回族自治区": ["宁夏", "宁夏省", "宁夏自治区"],
    "新疆维吾尔自治区": ["新疆", "新疆省", "新疆自治区"],
    "香港特别行政区": ["香港", "香港特区", "中国香港"],
    "澳门特别行政区": ["澳门", "澳门特区", "中国澳门"],
    "台湾省": ["台湾", "中国台湾", "台湾地区"],
}

PEOPLES = (
    "蒙古族 蒙古 回族 藏族 维吾尔 苗族 彝族 壮族 布依族 朝鲜族 朝鲜 满族 侗族 瑶族 白族 土家族"
    " 哈尼族 哈萨克族 哈萨克 傣族 黎族 傈僳族 佤族 畲族 拉祜族 水族 东乡族 纳西族 景颇族"
    " 柯尔克孜 土族 达斡尔族 仫佬族 羌族 布朗族 撒拉族 毛南族 仡佬族 锡伯族 锡伯 塔吉克"
    " 怒族 鄂温克族 裕固族 保安族 独龙族 鄂伦春 普米族 各族"
)

# Former names whose successor does not follow from the name itself (own compilation).
SUCCESSORS = {
    ("唐山市", "滦县"): "滦州市",
    ("邢台市", "邢台县"): "信都区",
    ("邢台市", "任县"): "任泽区",
    ("大同市", "大同县"): "云州区",
    ("长治市", "长治县"): "上党区",
    ("伊春市", "伊春区"): "伊美区",
    ("伊春市", "美溪区"): "伊美区",
    ("伊春市", "西林区"): "金林区",
    ("伊春市", "金山屯区"): "金林区",
    ("伊春市", "翠峦区"): "乌翠区",
    ("伊春市", "乌马河区"): "乌翠区",
    ("伊春市", "新青区"): "丰林县",
    ("伊春市", "五营区"): "丰林县",
    ("伊春市", "红星区"): "丰林县",
    ("伊春市", "带岭区"): "大箐山县",
    ("伊春市", "乌伊岭区"): "汤旺县",
    ("伊春市", "上甘岭区"): "友好区",
    ("南通市", "港闸区"): "崇川区",
    ("杭州市", "下城区"): "拱墅区",
    ("宁波市", "江东区"): "鄞州区",
    ("芜湖市", "三山区"): "弋江区",
    ("芜湖市", "芜湖县"): "湾沚区",
    ("三明市", "梅列区"): "三元区",
    ("南昌市", "湾里区"): "新建区",
    ("九江市", "九江县"): "柴桑区",
    ("上饶市", "上饶县"): "广信区",
    ("烟台市", "长岛县"): "蓬莱区",
    ("开封市", "金明区"): "龙亭区",
    ("洛阳市", "吉利区"): "孟津区",
    ("许昌市", "许昌县"): "建安区",
    ("株洲市", "株洲县"): "渌口区",
    ("南宁市", "横县"): "横州市",
    ("重庆市", "梁平县"): "梁平区",
    ("重庆市", "武隆县"): "武隆区",
    ("成都市", "郫县"): "郫都区",
    ("宜宾市", "宜宾县"): "叙州区",
    ("六盘水市", "盘县"): "盘州市",
    ("那曲市", "那曲县"): "色尼区",
    ("西安市", "户县"): "鄠邑区",
    ("咸阳市", "彬县"): "彬州市",
}

# Zones that people and couriers use as a district, absent from the statistical table (own list).
ZONES = {
    "成都市": ["高新区", "高新西区", "天府新区"],
    "西安市": ["高新区", "经开区", "曲江新区", "西咸新区"],
    "武汉市": ["东湖高新区", "东湖新技术开发区", "武汉经济技术开发区"],
    "贵阳市": ["高新区", "贵安新区"],
    "昆明市": ["高新区"],
    "长沙市": ["高新区"],
    "郑州市": ["郑东新区"],
    "苏州市": ["高新区"],
}

FORMER_CITY_NAMES = {"那曲市": ["那曲地区"], "襄阳市": ["襄樊市", "襄樊"], "普洱市": ["思茅市"]}


def read_rows(path: Path) -> Rows:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def city_spellings(name: str) -> list[str]:
    """The city as people write it: 杭州, 延边州, 大兴安岭, 锡林郭勒."""
    former = FORMER_CITY_NAMES.get(name, [])
    if name.endswith("自治州"):
        stem = without_people(name.removesuffix("自治州"))
        return [name, stem, stem + "州"]
    for suffix in ("地区", "盟", "市"):
        if name.endswith(suffix) and len(name) > len(suffix) + 1:
            return [name, name.removesuffix(suffix), *former]
    return [name]


def district_stem(name: str) -> str:
    """The name without what kind of division it is, or the name when too little would be left."""
    for suffix in ("自治县", "自治旗", "特区", "林区", "新区", "县", "区", "市", "旗"):
        if name.endswith(suffix):
            stem = name.removesuffix(suffix)
            stem = without_people(stem) if suffix.startswith("自治") else stem
            return stem if len(stem) >= 2 else name
    return name


def without_people(name: str) -> str:
    shortened = True
    while shortened:
        shortened = False
        for people in sorted(PEOPLES.split(), key=len, reverse=True):
            if name.endswith(people) and len(name) > len(people) + 1:
                name, shortened = name.removesuffix(people), True
                break
    return name


def district_spellings(name: str) -> list[str]:
    spellings = [name, district_stem(name)]
    if name.endswith(("自治县", "自治旗")):
        spellings.append(district_stem(name) + name[-1])
    if "（" in name:
        spellings += [name.split("（")[0], name.split("（")[1].rstrip("）")]
    if "高新技术" in name:
        spellings += ["高新区", "高新技术产业开发区", "高新技术开发区"]
    if "经济技术开发区" in name or "经济开发区" in name:
        spellings += ["经开区", "开发区", "经济开发区", "经济技术开发区"]
    if name == "苏州工业园区":
        spellings += ["工业园区", "园区"]
    return spellings


def spell_districts(city: str, names: Iterable[str]) -> Districts:
    """Every spelling that means one district of the city only, mapped to [city, district]."""
    names = list(names)
    counts = Counter(s for name in names for s in set(district_spellings(name)))
    spelled = {s: [city, n] for n in names for s in district_spellings(n) if counts[s] == 1}
    spelled.update({name: [city, name] for name in names})
    return spelled


def add_former_names(city: str, spelled: Districts, former: list[str], taken: set[str]) -> None:
    """Let a former name stand for its successor, unless another place carries that name today."""
    current = {name for _, name in spelled.values()}
    by_stem = {district_stem(name): name for name in current}
    for name in former:
        if name in taken or name in spelled:
            continue
        successor = SUCCESSORS.get((city, name)) or by_stem.get(district_stem(name), name)
        if successor in current or name not in {old for _, old in SUCCESSORS}:
            spelled[name] = [city, successor]


def districtless(city: str, towns: Iterable[str], *, spellings: list[str]) -> dict[str, Any]:
    """A city that has towns directly: the district is empty, its own name again, or a town."""
    districts = {"": [city, ""]} | {s: [city, ""] for s in city_spellings(city)}
    for town in towns:
        districts[town] = [city, town]
        short = town.removesuffix("街道办事处").removesuffix("街道").removesuffix("镇")
        if len(short) >= 2:
            districts.setdefault(short, [city, town])
    return {"spellings": spellings, "districts": districts, "any_town": True}


def mainland(source: Path) -> list[dict[str, Any]]:
    provinces, cities = read_rows(source / "provinces.csv.gz"), read_rows(source / "cities.csv.gz")
    areas = read_rows(source / "areas.csv.gz")
    towns: dict[str, list[str]] = defaultdict(list)
    for row in read_rows(source / "streets.csv.gz"):
        towns[row["areaCode"]].append(row["name"].removesuffix("办事处"))
    former: dict[str, list[str]] = defaultdict(list)
    for row in read_rows(source / "cpca_adcodes.csv.gz"):
        if not row["adcode"][:6].endswith("00") and row["name"] != "市辖区":
            former[row["adcode"][:4]].append(row["name"])
    in_city: dict[str, Rows] = defaultdict(list)
    for row in areas:
        in_city[row["cityCode"]].append(row)
    taken = {row["name"] for row in areas}

    built = []
    for province in provinces:
        entries: list[dict[str, Any]] = []
        whole: Districts = {}
        for city in (row for row in cities if row["provinceCode"] == province["code"]):
            code, rows = city["code"], in_city[city["code"]]
            if code in COUNTIES_UNDER_PROVINCE:
                entries += counties_under_province(city["name"], rows, towns)
            elif code in WITHOUT_DISTRICTS:
                local = (town for row in rows for town in towns[row["code"]])
                entry = districtless(city["name"], local, spellings=city_spellings(city["name"]))
                entries.append(entry)
            else:
                municipal = province["code"] in MUNICIPALITIES
                name = province["name"] if municipal else city["name"]
                spelled = spell_districts(name, [row["name"] for row in rows])
                spelled.update({z: [name, z] for z in ZONES.get(name, []) if z not in spelled})
                renamed = [old for city_name, old in SUCCESSORS if city_name == name]
                add_former_names(name, spelled, former[code] + renamed, taken)
                whole |= spelled if municipal else {}
                spellings = [city["name"]] if municipal else city_spellings(name)
                entries.append({"spellings": spellings, "districts": spelled})
        if whole:
            name = province["name"]
            entries.insert(0, {"spellings": [name, name[:-1], ""], "districts": whole})
        entries += moved_counties(province["name"])
        built.append({"name": province["name"], "code": province["code"], "entries": entries})
    return built


def counties_under_province(
    heading: str, rows: Rows, towns: dict[str, list[str]]
) -> list[dict[str, Any]]:
    """Counties without a city above them (仙桃市): each is itself a city without districts."""
    entries = []
    under_heading: Districts = {}
    for row in rows:
        name = row["name"]
        spellings = list(dict.fromkeys([*city_spellings(name), *district_spellings(name)]))
        entries.append(districtless(name, towns[row["code"]], spellings=spellings))
        under_heading |= {s: [name, ""] for s in spellings}
    headings = [heading, "省直辖县级", "省直辖", "直辖县级", "直辖县", "直辖", ""]
    return [{"spellings": headings, "districts": under_heading}, *entries]


def moved_counties(province: str) -> list[dict[str, Any]]:
    """Places that changed their city: 莱芜 (now in 济南), 定州 and 辛集 (under the province)."""
    if province == "山东省":
        laiwu = {"莱城区": ["济南市", "莱芜区"], "莱芜区": ["济南市", "莱芜区"]}
        laiwu |= {"钢城区": ["济南市", "钢城区"]}
        return [{"spellings": ["莱芜市", "莱芜"], "districts": laiwu}]
    if province == "河北省":
        moved = {"定州市": ["保定市", "定州市"], "辛集市": ["石家庄市", "辛集市"]}
        moved |= {"定州": moved["定州市"], "辛集": moved["辛集市"]}
        entries = [{"spellings": ["省直辖县级行政区划", "省直辖县级", ""], "districts": moved}]
        for name in ("定州市", "辛集市"):
            own = {"": moved[name], name: moved[name], name[:-1]: moved[name]}
            entries.append({"spellings": [name, name[:-1]], "districts": own})
        return entries
    return []


def beyond_the_mainland(source: Path) -> list[dict[str, Any]]:
    with gzip.open(source / "HK-MO-TW.json.gz", "rt", encoding="utf-8") as file:
        regions: dict[str, dict[str, list[str]]] = json.load(file)
    codes = {"台湾省": "71", "香港特别行政区": "81", "澳门特别行政区": "82"}
    built = []
    for province, cities in regions.items():
        entries: list[dict[str, Any]] = []
        whole: Districts = {}
        for city, districts in cities.items():
            spelled = spell_districts(city, districts)
            whole |= spelled
            spellings = (
                [city, city.removesuffix("县")] if city[:2] not in ("新竹", "嘉义") else [city]
            )
            entries.append({"spellings": [*spellings, *city_spellings(city)], "districts": spelled})
        if province != "台湾省":
            spellings = [province, *PROVINCE_SPELLINGS[province], province[:2] + "市", ""]
            entries.append({"spellings": spellings, "districts": whole})
        built.append({"name": province, "code": codes[province], "entries": entries})
    return built


def main(source: Path) -> None:
    with open(source / "province_shipping_tags.csv", encoding="utf-8", newline="") as file:
        tags = {row["province_name"]: row["tags"] for row in csv.DictReader(file)}
    provinces = mainland(source) + beyond_the_mainland(source)
    for province in provinces:
        name = province["name"]
        short = name.removesuffix("省").removesuffix("市")
        province["spellings"] = [name, *PROVINCE_SPELLINGS.get(name, [short])]
        kept = (t for t in tags[name].split(";") if t and t != "not_in_provinces.csv")
        province["tags"] = sorted(kept)
        spelled = Counter(s for e in province["entries"] for s in set(e["spellings"]))
        twice = [s for s, count in spelled.items() if count > 1]
        if twice:
            raise SystemExit(f"{name}: spelled twice: {twice}")
    text = json.dumps({"provinces": provinces}, ensure_ascii=False, separators=(",", ":"))
    TARGET.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
