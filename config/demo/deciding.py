"""The people of the demo at work: a supervisor answers holds, the warehouse books goods in."""

from collections.abc import Callable

from django.contrib.auth.models import User
from django.db.models import Sum

from config.demo.story import Answer, Story
from orders.actors import Actor, user_actor
from orders.errors import OrderError
from orders.lifecycle.holds import release_hold, uphold_hold
from orders.lifecycle.restocking import fill_short
from orders.lifecycle.stock import receive_stock
from orders.models import Hold, OrderLine, Sku, Warehouse
from orders.status import FollowUp, HoldOwner, HoldState

# What the supervisor writes: staff of the sample's brand write Chinese, whoever watches.
REASONS = {
    Answer.RELEASE: "已电话核实，放行",
    Answer.CANCEL: "核实为异常订单，取消",
    Answer.CORRECTION: "请客户更正后再发",
}
FOLLOW_UPS = {Answer.CANCEL: FollowUp.CANCEL, Answer.CORRECTION: FollowUp.CORRECTION}


def answer_holds(story: Story, done: Callable[[int], None]) -> list[str]:
    """Let the supervisor answer the open holds of rules as planned; what was refused, in words."""
    supervisor = user_actor(User.objects.get(username="supervisor"))
    refused = []
    for hold in Hold.objects.open().filter(owner=HoldOwner.RULE).select_related("order"):
        answer = story.answers.get(hold.order.number, Answer.LEAVE)
        try:
            _answer(hold, answer, supervisor)
        except OrderError as error:
            refused.append(f"{hold.order.number} {answer}: {error}")
        done(1)
    return refused


def receive_goods(story: Story) -> int:
    """Book in what the short orders of the restocked SKU need, and fill them; how many.

    The scheduled job may be quicker with some of them; they count all the same.
    """
    if not story.restocked_sku:
        return 0
    warehouse_keeper = user_actor(User.objects.get(username="warehouse"))
    sku = Sku.objects.get(code=story.restocked_sku)
    short = Hold.objects.open().filter(owner=HoldOwner.STOCK, order__lines__sku=sku)
    wanted = OrderLine.objects.filter(sku=sku, order__in=short.values("order"))
    units = wanted.aggregate(units=Sum("quantity"))["units"]
    if not units:
        return 0
    warehouse = Warehouse.objects.get(stocks__sku=sku)
    waiting = list(short.values_list("pk", flat=True))
    receive_stock(sku, warehouse, units, actor=warehouse_keeper)
    fill_short()
    return Hold.objects.filter(pk__in=waiting).exclude(state=HoldState.OPEN).count()


def _answer(hold: Hold, answer: Answer, supervisor: Actor) -> None:
    if answer is Answer.RELEASE:
        release_hold(hold.pk, actor=supervisor, reason=REASONS[answer])
    elif answer in FOLLOW_UPS:
        uphold_hold(hold.pk, actor=supervisor, reason=REASONS[answer], follow_up=FOLLOW_UPS[answer])
