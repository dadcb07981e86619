"""Whether a Chinese review is negative (contract section 2, `review.hidden_negative`).

A linear model over character 1-, 2- and 3-grams, with a lexicon of short shop phrases above it: each phrase found is
one feature of its class, and is cut out of what the n-grams see, so that 没有想象中的差 doesn't count for its 差. The
weights are integers, so that a text has one score on every machine. Trained and measured by
`replay.train_sentiment`; the figures are in docs/sentiment.md.
"""

import gzip
import json
import re
from collections.abc import Iterable
from functools import cache
from importlib import resources
from math import isqrt
from typing import Final, NamedTuple

from processors.phrases import PhraseMatcher, fold

SCALE: Final = 1000
"""The score's unit: 1000 is one natural log-odds of being negative."""

LEXICON: Final = {
    "<bad>": """
        质量差 质量太差 质量很差 质量不好 质量不行 质量问题 质量堪忧 品质差 做工差 做工粗糙 做工太差 劣质 次品 残次
        垃圾 烂货 太烂 很烂 破烂 假货 假的 仿品 高仿 山寨 盗版 不是正品 冒牌
        描述不符 不符合描述 与描述不 和描述不 跟描述不 图片不符 实物不符 和图片不 与图片不 跟图片不 货不对板 名不副实
        虚假宣传 夸大其词 照骗 骗人 骗子 欺骗 被骗 坑人 被坑 太坑 黑心 奸商 上当 忽悠
        失望 后悔 不推荐 不建议 别买 不要买 千万不要 不会再买 再也不 不会再来 不会回购 差评 退货 要求退款 浪费钱 白花钱
        不值 不划算 性价比低 太贵 不满意 不好用 难用 没法用 不能用 用不了 无法使用 不好看 难看 太丑 好丑 很丑 不好吃 难吃
        不合适 不舒服 难受 不好闻 难闻 异味 刺鼻 臭味 味道大 味道很大 掉色 褪色 染色 起球 掉毛 缩水 变形 开线 脱线
        线头多 开胶 脱胶 破洞 有洞 瑕疵 掉漆 生锈 漏水 漏气 漏电 开裂 裂了 断了 坏了 就坏 坏的 碎了 破损 发霉 过期 变质
        不新鲜 过敏 烂了 死机 卡顿 失灵 故障 充不进 不亮了 不耐用 不结实 不牢固 偷工减料 色差大 色差严重 色差太大
        发错 错发 漏发 少发 缺件 没收到 没有收到 空包 物流慢 物流太慢 快递慢 快递太慢 发货慢 发货太慢 太慢
        态度差 态度恶劣 态度很差 态度太差 态度不好 服务差 服务太差 服务很差 服务不好 恶劣 不理人 没人理 不回复 推卸 敷衍
        太差 很差 极差 超差 差劲 真差 好差 都差 最差 糟糕 恶心 无语 气死 气人 坑爹 投诉 不靠谱 一般般 不怎么样
        就破了 就断了 有味道 差太多 差太远 不对板 颜色不一样 图片不一样 实物不一样 完全不一样 起毛
        不喜欢 不太喜欢 不是很喜欢 不怎么喜欢 不太满意 不是很满意 不够满意 不漂亮 不太好看 不太好用 不太好吃 不太舒服 不太合适
        不太好 不是很好 不够好 不给力 不推荐购买 不值得购买 不值得买 不值得推荐 不强烈推荐 不会再买 给不了好评 不配好评
        不想给好评 不是很舒服 不是很合适 不是很好看 不是很好用 不怎么好用 不怎么好看 不怎么舒服
    """,
    "<good>": """
        没有想象中的差 没有想象的差 没想象中差 没有那么差 没那么差 不差 不算差 不会差 不比专柜差
        不失望 没失望 没有失望 没让我失望 没有让我失望 没让人失望 不会失望 不让人失望 没有让人失望 没有令人失望 没令人失望 从不失望 从没失望 从未失望 绝不后悔 不后悔 没后悔 没有后悔
        没上当 没有上当 没被骗 没有被骗 不是骗人 不骗人 没骗人 没有骗人 不是假货 不是假的 没有假货 不坑人 不是垃圾
        不掉色 没掉色 没有掉色 不褪色 没有褪色 不染色 不起球 没起球 没有起球 不掉毛 没掉毛 没有掉毛 不缩水 没缩水
        没有缩水 不变形 没变形 没有变形 没有开线 没有线头 没有破洞 没有瑕疵 没瑕疵 无瑕疵 不漏水 没有漏水 不漏气
        没有漏气 没有破损 没破损 无破损 没坏 没有坏 没有异味 没异味 无异味 没有味道 没有臭味 不刺鼻 没有刺鼻 没味道
        没有色差 没色差 无色差 不难看 不丑 不难吃 不难闻 不难用 没有质量问题 没质量问题 质量没问题 没有问题 没问题
        没有过敏 不过敏 没过敏 不卡顿 没有卡顿 不死机 不太贵 不贵 没有退货 不用退货 不会变形 不会掉色 不会起球
        没有差评 没有不满意 没有不好 没什么不好 没有不舒服 没有不合适 没毛病 没得说 没的说 无可挑剔 挑不出毛病
        质量好 质量不错 质量很好 质量挺好 质量可以 做工好 做工不错 做工精细 物超所值 物有所值 性价比高 值得购买 值得买
        值得推荐 推荐购买 强烈推荐 会回购 还会再来 还会再买 下次还来 下次还买 会再来 很满意 挺满意 非常满意 满意 好评
        很喜欢 非常喜欢 比想象的好 比想象中好 比想象中的好 比预期好 超出预期
        喜欢 不错 很好 挺好 非常好 太好了 好看 漂亮 好用 好吃 舒服 合适 很快 挺快 给力 超值 赞 棒
    """,
    "<none>": """
        此用户没有填写评价 此用户没有填写评论 此用户未填写评价内容 该用户没有填写评价 该用户未填写评价内容 该用户未填写评价
        用户未填写评价内容 用户没有填写评价 买家没有填写评价 买家未填写评价 没有填写评价 未填写评价 系统默认好评 系统默认评价
        默认好评 默认评价 评价方未及时做出评价 未及时做出评价
    """,
}
"""Phrases of bad and of good reviews, and of what a platform writes where a buyer wrote nothing.

The longest of overlapping ones counts alone (不好用 is not 好用).
"""

_RUN: Final = re.compile(r"[^\W_]+")


class Model(NamedTuple):
    """`weights` by feature and `bias` in units of 1/SCALE log-odds; at `threshold` or above a text is negative."""

    weights: dict[str, int]
    bias: int
    threshold: int


@cache
def _lexicon() -> PhraseMatcher:
    return PhraseMatcher({category: phrases.split() for category, phrases in LEXICON.items()})


def grams(text: str) -> set[str]:
    """The distinct character 1-, 2- and 3-grams of the letters and digits in `text`, none across punctuation."""
    return {
        run[start : start + size]
        for run in _RUN.findall(fold(text))
        for size in (1, 2, 3)
        for start in range(len(run) - size + 1)
    }


def features(text: str) -> set[str]:
    """The distinct features of `text`: lexicon classes (`<bad>1` to `<bad>3` by how often) and n-grams of the rest."""
    found: dict[str, int] = {}
    rest, position = [], 0
    for hit in _lexicon().find(text):
        found[hit.category] = found.get(hit.category, 0) + 1
        rest.append(text[position : hit.start])
        position = hit.end
    rest.append(text[position:])
    classes = (f"{category}{n}" for category, times in found.items() for n in range(1, min(times, 3) + 1))
    return grams(" ".join(rest)).union(classes)


@cache
def packaged_model() -> Model:
    """The model this package ships."""
    packed = (resources.files("processors") / "sentiment_model.json.gz").read_bytes()
    return Model(**json.loads(gzip.decompress(packed)))


def score(found: Iterable[str], model: Model) -> int:
    """The log-odds, in 1/SCALE, that a text with the features `found` is negative; 0 when the model knows none."""
    known = [model.weights[feature] for feature in found if feature in model.weights]
    if not known:
        return 0
    # divided by the root of their number, lest a long review be sure of itself by length alone
    return model.bias + sum(known) * SCALE // isqrt(len(known) * SCALE * SCALE)


def negativity(text: str) -> int:
    """How negative `text` is: log-odds in 1/1000, above 0 for more likely negative than not.

    0 for a text with nothing known in it, the empty one included.
    """
    return score(features(text), packaged_model())


def is_negative(text: str) -> bool:
    """Whether `text` is a negative review: `negativity` at the packaged threshold or above."""
    return negativity(text) >= packaged_model().threshold
