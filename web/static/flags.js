// The flags to judge, with the words that broke a rule marked in place (web/qc.py, web/commands.py).
import { PLACE } from "/static/desk.js";
import { review } from "/static/review.js";

export default {
  template: `
<div class="desk" :data-state="state">
  <Bar :desk="self" :title="t.qc"><span class="count" role="status">{{ countText }}</span></Bar>

  <div class="columns">
    <section class="queue" :aria-label="t['qc_view.flags']">
      <ListHead :desk="self">
        <label class="wide"><span>{{ t.qc_since }}</span><input type="datetime-local" v-model="since" @change="reload"></label>
        <label class="wide"><span>{{ t.qc_until }}</span><input type="datetime-local" v-model="until" @change="reload"></label>
      </ListHead>
      <ol class="list" ref="list" role="listbox" tabindex="0" :aria-label="t.qc" :aria-activedescendant="current ? domId(current) : null">
        <li v-for="flag in rows" :key="flag.flag_id" :id="domId(flag)" role="option" :aria-selected="isCurrent(flag)" :class="flag.severity" :data-flag="flag.flag_id" @click="open(flag)">
          <b>{{ ruleText(flag.rule) }}</b><span class="badge">{{ t['severity.' + flag.severity] }}</span>
          <span class="agent">{{ agentText(flag) }}</span><time :datetime="flag.occurred_at">{{ timeText(flag.occurred_at) }}</time>
          <small v-if="flag.qc_status !== 'open'">{{ t['qc_status.' + flag.qc_status] }} {{ personText(flag.qc_actor) }}</small>
        </li>
      </ol>
      <ListFoot :desk="self"></ListFoot>
    </section>

    <section class="talk" :aria-label="t.qc_timeline">
      <template v-if="current">
        <h2>{{ t.qc_timeline }} <small>{{ current.shop_id }} · {{ current.buyer_id }}</small></h2>
        <TimeLine :desk="self" :talk="talk" :accused="isAccused" :cited="isCited" :hits="current.evidence.phrases"></TimeLine>
      </template>
      <p class="empty" v-else-if="rows.length">{{ t.qc_pick }}</p>
    </section>

    <section class="verdict" v-if="current" :aria-label="t.qc_why">
      <h2>{{ ruleText(current.rule) }} <span class="badge" :class="current.severity">{{ t['severity.' + current.severity] }}</span></h2>
      <p class="why">{{ why(current) }}</p>
      <p class="note" v-if="precisionText">{{ precisionText }}</p>
      <History :desk="self"></History>
      <Sheet :desk="self" ref="sheet"></Sheet>
    </section>
  </div>
</div>`,
  mixins: [review],
  row: { id: "flag_id", status: "qc_status", holder: "qc_actor", path: "/api/v1/flags/", draft: { marks: {}, reason: "", coaching: "" } },
  view: { name: "flags", words: "qc", list: "/api/v1/qc/queue", counts: "/api/v1/qc/counts", rows: "flags", facets: ["rule", "severity", "agent_id", "team", "qc_status"], at: "occurred_at", first: "upheld", explained: "dismissed" },
  data() { return { precision: new Map(), zone: "", since: "", until: "" }; },
  computed: {
    isUnjudged() { return this.current.status === "raised" && PLACE[this.current.qc_status] < PLACE.upheld; },
    stateText() { return this.current.status !== "raised" ? this.t.qc_cleared : review.computed.stateText.call(this); },
    precisionText() {
      const found = this.precision.get(this.current.rule);
      return found && found.judged ? this.say("qc_precision", { p: Math.round(found.precision * 100) + "%", upheld: found.upheld, judged: found.judged }) : "";
    },
  },
  methods: {
    ruleText(rule) { return this.t["rule." + rule] || rule; },
    facetText(facet, value) {
      if (facet === "rule") return this.ruleText(value);
      return facet === "severity" ? this.t["severity." + value] : review.methods.facetText.call(this, facet, value);
    },
    query(more) {
      const found = review.methods.query.call(this, more);
      for (const name of ["since", "until"]) if (this[name]) found.set(name, this.instant(this[name], this.zone));
      return found;
    },
    titleOf(flag) { return this.ruleText(flag.rule) + " " + this.agentText(flag) + " " + this.timeText(flag.occurred_at); },
    readMore() { return this.read("/api/v1/qc/precision"); },
    shown(flags, precision) {
      if (flags.length) this.zone = flags[0].occurred_at;
      this.precision = new Map(precision.rules.map((rule) => [rule.rule, rule]));
    },
    // --- the transcript
    isAccused(entry) { return !!this.current && (entry.type === "chat.message" ? entry.id === this.current.message_id : !!this.current.review_id && entry.review_id === this.current.review_id); },
    // what the evidence rests on besides: the earlier reminder, the payment, the slow replies
    isCited(entry) {
      if (!this.current || this.isAccused(entry)) return false;
      const e = this.current.evidence;
      if (entry.type === "chat.message") return entry.id === e.earlier_message_id || (e.replies || []).some((reply) => entry.id === reply.message_id || entry.id === reply.opened_by);
      if (entry.type === "payment.succeeded") return entry.payment_id === e.payment_id || (e.payment_ids || []).includes(entry.payment_id);
      return entry.type === "order.placed" && (e.order_ids || []).includes(entry.order_id);
    },
    why(flag) {
      const e = flag.evidence;
      const values = {
        order_ids: this.listText(e.order_ids || flag.order_ids), seconds: e.seconds_since, rating: e.rating,
        agent: e.earlier_agent_id ? this.nameOf(flag.shop_id, e.earlier_agent_id) : "",
        phrases: (e.phrases || []).map((hit) => this.quoted(hit.phrase)).join(" "),
      };
      if (e.replies) values.seconds = Math.round(e.replies[e.replies.length - 1].response_ms / 1000);
      const keys = flag.rule === "reminder.same_day" ? (e.basis || []).map((basis) => flag.rule + "." + basis) : [flag.rule];
      return keys.map((key) => (this.t["why." + key] ? this.say("why." + key, values) : "")).join(" ");
    },
  },
};
