// The QC desk: reads and writes by the API alone (web/qc.py, web/commands.py), so that it shows what the API says.
import { PLACE, desk } from "/static/desk.js";

const PAGE = 50;
const FACETS = ["rule", "severity", "agent_id", "team", "qc_status"];
const STATES = ["open", "claimed", "upheld", "dismissed"];

export default {
  template: `
<div class="desk" :data-state="state">
  <Bar :desk="self" :title="t.qc"><span class="count" role="status">{{ say(filters.qc_status === 'open' ? 'qc_queue' : 'qc_found', { n: counts ? counts.total : '…' }) }}</span></Bar>

  <div class="columns">
    <section class="queue" :aria-label="t.qc">
      <div class="filters">
        <label v-for="facet in facets" :key="facet"><span>{{ t['qc_' + facet] }}</span>
          <select v-model="filters[facet]" @change="reload" :data-facet="facet">
            <option value="" v-if="facet !== 'qc_status'">{{ t.all }}</option>
            <option v-for="[value, n] in options(facet)" :key="value" :value="value">{{ facetText(facet, value) }} ({{ n }})</option>
          </select></label>
        <label class="wide"><span>{{ t.qc_since }}</span><input type="datetime-local" v-model="since" @change="reload"></label>
        <label class="wide"><span>{{ t.qc_until }}</span><input type="datetime-local" v-model="until" @change="reload"></label>
      </div>
      <ol class="list" ref="list" role="listbox" tabindex="0" :aria-label="t.qc" :aria-activedescendant="current ? domId(current) : null">
        <li v-for="flag in rows" :key="flag.flag_id" :id="domId(flag)" role="option" :aria-selected="isCurrent(flag)" :class="flag.severity" :data-flag="flag.flag_id" @click="open(flag)">
          <b>{{ ruleText(flag.rule) }}</b><span class="badge">{{ t['severity.' + flag.severity] }}</span>
          <span class="agent">{{ agentText(flag) }}</span><time :datetime="flag.occurred_at">{{ timeText(flag.occurred_at) }}</time>
          <small v-if="flag.qc_status !== 'open'">{{ t['qc_status.' + flag.qc_status] }} {{ flag.qc_actor }}</small>
        </li>
      </ol>
      <button class="more" v-if="cursor" @click="more" :disabled="paging">{{ t.qc_more }}</button>
      <p class="state" role="status" v-if="!current">{{ message }}</p>
      <div class="empty" v-if="ready && !rows.length"><b>{{ t.qc_empty }}</b><p>{{ t.qc_empty_hint }}</p></div>
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
      <p class="state" role="status" aria-live="polite">{{ message || stateText }}</p>
      <template v-if="mayJudge && (isUnjudged || dirty)">
        <button class="claim" v-if="isUnjudged && !mine" @click="claim" :disabled="busy || !canJudge">{{ t.qc_claim }} <kbd>C</kbd></button>
        <fieldset class="sheet" v-if="rubric">
          <legend>{{ t.qc_sheet }} <output>{{ t.qc_score }} <b>{{ scoreText }}</b></output></legend>
          <div v-for="item in rubric.items" :key="item.key" class="item" role="radiogroup" :aria-label="item[lang]">
            <span>{{ item[lang] }} <em v-if="item.critical">{{ t.qc_critical }}</em><small v-else>{{ item.weight }}</small></span>
            <span class="marks"><label v-for="value in item.critical ? [1, 0] : [1, 0.5, 0]" :key="value" :class="{ on: marks[item.key] === value }"><input type="radio" :name="'mark-' + item.key" :value="value" v-model="marks[item.key]">{{ t['qc_mark_' + value] }}</label></span>
          </div>
        </fieldset>
        <label class="field"><span>{{ t.qc_reason }}</span><textarea ref="reason" v-model="reason" rows="2" maxlength="2000"></textarea></label>
        <label class="field"><span>{{ t.qc_coaching }}</span><textarea v-model="coaching" rows="2" maxlength="2000"></textarea></label>
        <div class="actions">
          <button class="uphold" @click="judge('upheld')" :disabled="busy || !canJudge" :aria-keyshortcuts="intent === 'upheld' ? 'U Control+Enter' : 'U'">{{ t.qc_uphold }} <kbd>U</kbd><kbd class="submits" v-if="intent === 'upheld'">Ctrl+Enter</kbd></button>
          <button class="dismiss" @click="judge('dismissed')" :disabled="busy || !canJudge" :aria-keyshortcuts="intent === 'dismissed' ? 'D Control+Enter' : 'D'">{{ t.qc_dismiss }} <kbd>D</kbd><kbd class="submits" v-if="intent === 'dismissed'">Ctrl+Enter</kbd></button>
        </div>
      </template>
      <p class="keys">{{ t.qc_keys }}</p>
    </section>
  </div>
</div>`,
  mixins: [desk],
  row: { id: "flag_id", status: "qc_status", holder: "qc_actor", path: "/api/v1/flags/", draft: { marks: {}, reason: "", coaching: "" } },
  data() {
    return {
      counts: null, precision: new Map(), cursor: null, zone: "",
      rubric: null, marks: {}, reason: "", coaching: "", intent: "upheld",
      filters: { rule: "", severity: "", agent_id: "", team: "", qc_status: "open" }, since: "", until: "",
    };
  },
  computed: {
    facets() { return FACETS; },
    mayJudge() { return this.may("review"); },
    isUnjudged() { return this.current.status === "raised" && PLACE[this.current.qc_status] < PLACE.upheld; },
    canJudge() { return this.mayJudge && this.isUnjudged && !this.takenByOther; },
    started() { return Object.keys(this.marks).length > 0; },
    scoreText() {
      if (!this.started) return this.t.qc_unscored;
      const items = this.rubric.items, marks = this.marks;
      if (items.some((item) => item.critical && marks[item.key] !== undefined && marks[item.key] < 1)) return "0";
      const weighed = items.filter((item) => marks[item.key] !== undefined);
      const weight = weighed.reduce((sum, item) => sum + item.weight, 0);
      return weight ? (weighed.reduce((sum, item) => sum + item.weight * marks[item.key], 0) / weight * 100).toFixed(1) : "–";
    },
    stateText() {
      const flag = this.current;
      if (flag.status !== "raised") return this.t.qc_cleared;
      if (flag.qc_status === "claimed") return this.say("taken", { who: flag.qc_actor });
      if (flag.qc_status === "open") return "";
      return this.say("qc_judged_by", { who: flag.qc_actor, what: this.t["qc_status." + flag.qc_status] }) + (flag.qc_reason ? " · " + flag.qc_reason : "");
    },
    precisionText() {
      const found = this.precision.get(this.current.rule);
      return found && found.judged ? this.say("qc_precision", { p: Math.round(found.precision * 100) + "%", upheld: found.upheld, judged: found.judged }) : "";
    },
  },
  watch: { "current.flag_id"() { this.intent = "upheld"; } },
  methods: {
    ruleText(rule) { return this.t["rule." + rule] || rule; },
    agentText(flag) { return flag.agent_id ? this.nameOf(flag.shop_id, flag.agent_id) : "–"; },
    facetText(facet, value) {
      if (facet === "rule") return this.ruleText(value);
      if (facet === "severity" || facet === "qc_status") return this.t[facet + "." + value];
      if (facet === "agent_id") { const known = [...this.agents.values()].find((agent) => agent.agent_id === value); return (known && known.name) || value || "–"; }
      return value || "–";
    },
    options(facet) {
      const counts = (this.counts && this.counts[facet]) || {};
      if (facet === "qc_status") return STATES.map((state) => [state, counts[state] || 0]);
      const found = Object.entries(counts);
      const chosen = this.filters[facet];
      if (chosen && !found.some(([value]) => value === chosen)) found.push([chosen, 0]);
      return found.filter(([value]) => value !== "");
    },
    query(more) {
      const found = new URLSearchParams();
      for (const facet of FACETS) if (this.filters[facet]) found.set(facet, this.filters[facet]);
      for (const name of ["since", "until"]) if (this[name]) found.set(name, this.instant(this[name], this.zone));
      for (const [name, value] of Object.entries(more || {})) found.set(name, value);
      return found;
    },
    titleOf(flag) { return this.ruleText(flag.rule) + " " + this.timeText(flag.occurred_at); },
    belongs(flag) { return PLACE[flag.qc_status] < PLACE.upheld || PLACE[this.filters.qc_status] >= PLACE.upheld; },
    async load() {
      const known = Math.min(500, Math.max(PAGE, this.rows.length));
      const [page, counts, precision] = await Promise.all([this.read("/api/v1/qc/queue?" + this.query({ limit: known })), this.read("/api/v1/qc/counts?" + this.query()), this.read("/api/v1/qc/precision")]);
      return () => {
        this.cursor = page.next_cursor; this.counts = counts;
        if (page.flags.length) this.zone = page.flags[0].occurred_at;
        this.precision = new Map(precision.rules.map((rule) => [rule.rule, rule]));
        return this.arrived(page.flags);
      };
    },
    async more() {
      if (this.paging) return;
      const turn = ++this.turn; // a poll under way would cut the list to what it was
      this.paging = true; this.reading = turn;
      try {
        const page = await this.read("/api/v1/qc/queue?" + this.query({ limit: PAGE, cursor: this.cursor }));
        if (turn !== this.turn) return;
        this.rows = [...this.rows, ...page.flags.map(this.settled).filter(this.belongs)]; this.cursor = page.next_cursor;
      } catch (error) { this.failed(error); } finally { this.paging = false; if (this.reading === turn) this.reading = 0; }
    },
    look(flag) { this.readTalk(flag); this.readRubric(flag); },
    async readRubric(flag) {
      if (this.rubric && this.rubric.shop_id === flag.shop_id) return;
      this.rubric = null;
      try {
        const rubric = await this.read("/api/v1/qc/rubric?shop_id=" + encodeURIComponent(flag.shop_id));
        if (!this.current || this.current.shop_id !== flag.shop_id) return;
        this.rubric = rubric;
        // a sheet that was kept may have items that are no more
        this.marks = Object.fromEntries(Object.entries(this.marks).filter(([key]) => rubric.items.some((item) => item.key === key)));
      } catch (error) { this.failed(error); }
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
    // --- what the reviewer does
    async claim() {
      const flag = this.current, who = this.name;
      if (!this.canJudge || this.mine) return;
      const said = await this.give(flag, "claim", {});
      if (said) this.did(flag, { qc_status: said.status, qc_actor: who });
    },
    async judge(verdict) {
      const flag = this.current, who = this.name;
      if (this.busy || !this.canJudge) return;
      this.intent = verdict;
      if (verdict === "dismissed" && !this.reason.trim()) { this.message = this.t.qc_need_reason; this.$refs.reason.focus(); return; }
      const body = { verdict, reason: this.reason.trim(), coaching: this.coaching.trim() };
      if (this.started) {
        if (!this.rubric) { this.message = this.t.loading; return; }
        const left = this.rubric.items.filter((item) => this.marks[item.key] === undefined).length;
        if (left) { this.message = this.say("qc_need_sheet", { n: left }); return; }
        body.marks = { ...this.marks };
      }
      const said = await this.give(flag, "verdict", body);
      if (!said) return;
      this.did(flag, { qc_status: said.status, qc_actor: who, qc_reason: body.reason });
      this.leave(flag, this.say("qc_saved", { what: this.t["qc_status." + verdict] }));
      this.putDraft(flag, null);
    },
    key(event) {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && this.current) { event.preventDefault(); if (this.acts(event)) this.judge(this.intent); return; }
      if (event.key === "Escape") { event.target.blur(); return; }
      if (!this.isCommand(event)) return;
      const does = this.moves(event) || (this.acts(event) && { c: () => this.claim(), u: () => this.judge("upheld"), d: () => this.judge("dismissed") }[event.key.toLowerCase()]);
      if (does) { event.preventDefault(); does(); }
    },
  },
};
