"""Invented people and addresses for the demo: nobody's name, number or home."""

import hashlib
from collections.abc import Collection, Sequence
from functools import cache
from typing import TypeVar

from orders.divisions import Place, cities, districts

T = TypeVar("T")

SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余"
GIVEN = "婷敏静丽娟霞燕玲雪梅琳洁颖慧欣怡佳宁悦涵伟磊洋勇军杰涛明超强鹏飞浩宇晨轩博文俊凯峰斌"
ROADS = [
    "人民路",
    "解放路",
    "中山路",
    "建设路",
    "和平路",
    "新华路",
    "胜利路",
    "文化路",
    "青年路",
    "学院路",
    "滨江路",
    "湖滨路",
    "府前街",
    "长虹路",
    "迎宾大道",
    "创新路",
    "翠竹路",
    "桂花路",
    "银杏路",
    "朝晖路",
]
ESTATES = [
    "锦绣花园",
    "阳光家园",
    "翠湖苑",
    "金色港湾",
    "紫荆苑",
    "世纪新城",
    "书香门第",
    "枫林雅居",
]
COMPANIES = ["晨曦", "远航", "青禾", "知行", "云杉", "和光", "启明", "北辰"]

# Share of orders by province, in thousandths: our own choice, after where people shop online.
HOMES = {
    "广东省": 150,
    "浙江省": 110,
    "江苏省": 110,
    "上海市": 70,
    "北京市": 65,
    "山东省": 65,
    "四川省": 55,
    "河南省": 50,
    "湖北省": 50,
    "福建省": 45,
    "湖南省": 45,
    "安徽省": 40,
    "河北省": 35,
    "重庆市": 30,
    "陕西省": 25,
    "江西省": 20,
    "辽宁省": 20,
    "广西壮族自治区": 15,
    "云南省": 15,
    "新疆维吾尔自治区": 12,
    "内蒙古自治区": 10,
    "海南省": 8,
}

GRADES = "AAABBBBBCCCD"


def draw(below: int, *key: object) -> int:
    """A number from 0 to `below` - 1 that depends on the key alone."""
    digest = hashlib.blake2b("|".join(map(str, key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % below


def pick(choices: Sequence[T], *key: object) -> T:
    return choices[draw(len(choices), *key)]


def name_of(*key: object) -> str:
    given = "".join(pick(GIVEN, "given", n, *key) for n in range(1 + draw(3, "length", *key) % 2))
    return pick(SURNAMES, "surname", *key) + given


def phone_of(index: int) -> str:
    """A number of the block 1310000nnnn, which the sample uses for everybody."""
    return f"+861310000{index:04d}"


def masked(phone: str) -> str:
    """The number as a platform prints it."""
    return f"{phone[-11:-8]}****{phone[-4:]}"


def platform_hash(phone: str) -> str:
    """What the platform gives instead of the number: the same for the same number."""
    return "ph_" + hashlib.sha256(f"platform {phone}".encode()).hexdigest()[:32]


def home_of(*key: object, without: Collection[str] = ()) -> Place:
    """A real district, drawn by the provinces' shares."""
    shares = {name: share for name, share in HOMES.items() if name not in without}
    rest = draw(sum(shares.values()), "province", *key)
    for province, share in shares.items():
        if rest < share:
            return place_in(province, *key)
        rest -= share
    raise AssertionError("the shares cover every draw")


def place_in(province: str, *key: object) -> Place:
    city = pick(_cities(province), "city", *key)
    within = _districts(province, city)
    return Place(province, city, pick(within, "district", *key) if within else "")


def street_of(*key: object) -> str:
    """A road that may exist in any town, and a house that nobody was asked about."""
    number, building = 1 + draw(980, "number", *key), 1 + draw(30, "building", *key)
    flat = f"{1 + draw(6, 'unit', *key)}单元{101 + 100 * draw(18, 'floor', *key)}室"
    estate = pick(ESTATES, "estate", *key)
    return f"{pick(ROADS, 'road', *key)}{number}号{estate}{building}幢{flat}"


def company_of(place: Place, *key: object) -> str:
    return f"{place.city.removesuffix('市')}{pick(COMPANIES, 'company', *key)}贸易有限公司"


@cache
def _cities(province: str) -> Sequence[str]:
    return cities(province)


@cache
def _districts(province: str, city: str) -> Sequence[str]:
    return districts(province, city)
