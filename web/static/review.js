// What QC's views of conversations share, the flags and the sample: the list with its filters, the reviewer's sheet, taking and judging.
import { PLACE, desk } from "/static/desk.js";
import { historied } from "/static/history.js";

const VIEWS = ["flags", "samples", "precision"];
const STATES = ["open", "claimed", "upheld", "dismissed"];

// the switch between the views
export const Tabs = {
  template: `<div class="tabs" role="group" :aria-label="desk.t.qc_view"><button v-for="one in views" :key="one" :aria-pressed="desk.$options.view.name === one" @click="desk.$emit('show', one)" :data-view="one">{{ desk.t['qc_view.' + one] }}</button></div>`,
  props: { desk: Object },
  computed: { views() { return VIEWS; } },
};

// that, and what narrows the list; a view's own filters go into the slot
const ListHead = {
  components: { Tabs },
  template: `
  <Tabs :desk="desk"></Tabs>
  <div class="filters">
    <label v-for="facet in desk.$options.view.facets" :key="facet"><span>{{ desk.t['qc_' + facet] }}</span>
      <select v-model="desk.filters[facet]" @change="desk.reload" :data-facet="facet">
        <option value="" v-if="facet !== 'qc_status'">{{ desk.t.all }}</option>
        <option v-for="[value, n] in desk.options(facet)" :key="value" :value="value">{{ desk.facetText(facet, value) }} ({{ n }})</option>
      </select></label>
    <slot></slot>
  </div>`,
  props: { desk: Object },
};

// what comes below the list
const ListFoot = {
  template: `
  <button class="more" v-if="desk.cursor" @click="desk.nextPage" :disabled="desk.paging">{{ desk.t.qc_more }}</button>
  <p class="state" role="status" v-if="!desk.current">{{ desk.message }}</p>
  <div class="empty" v-if="desk.ready && !desk.rows.length"><b>{{ desk.word('empty') }}</b><p>{{ desk.word('empty_hint') }}</p></div>`,
  props: { desk: Object },
};

const Sheet = {
  template: `
  <p class="state" role="status" aria-live="polite">{{ desk.message || desk.stateText }}</p>
  <template v-if="desk.mayJudge && (desk.isUnjudged || desk.dirty)">
    <button class="claim" v-if="desk.isUnjudged && !desk.mine" @click="desk.claim" :disabled="desk.busy || !desk.canJudge">{{ desk.t.qc_claim }} <kbd>C</kbd></button>
    <fieldset class="sheet" v-if="desk.rubric">
      <legend>{{ desk.t.qc_sheet }} <output :title="desk.started ? null : desk.t.qc_unscored_hint">{{ desk.t.qc_score }} <b>{{ desk.scoreText }}</b></output></legend>
      <div v-for="item in desk.rubric.items" :key="item.key" class="item" role="radiogroup" :aria-label="item[desk.lang]">
        <span>{{ item[desk.lang] }} <em v-if="item.critical">{{ desk.t.qc_critical }}</em><small v-else>{{ item.weight }}</small></span>
        <span class="marks"><label v-for="value in item.critical ? [1, 0] : [1, 0.5, 0]" :key="value" :class="{ on: desk.marks[item.key] === value }"><input type="radio" :name="'mark-' + item.key" :value="value" v-model="desk.marks[item.key]">{{ desk.t['qc_mark_' + value] }}</label></span>
      </div>
    </fieldset>
    <label class="field"><span>{{ desk.word('reason') }}</span><textarea ref="reason" v-model="desk.reason" rows="2" maxlength="2000"></textarea></label>
    <label class="field"><span>{{ desk.t.qc_coaching }}</span><textarea v-model="desk.coaching" rows="2" maxlength="2000"></textarea></label>
    <div class="actions">
      <button v-for="[verdict, name, letter] in verdicts" :key="verdict" :class="name" @click="desk.judge(verdict)" :disabled="desk.busy || !desk.canJudge" :aria-keyshortcuts="desk.intent === verdict ? letter + ' Control+Enter' : letter">{{ desk.word(name) }} <kbd>{{ letter }}</kbd><kbd class="submits" v-if="desk.intent === verdict">Ctrl+Enter</kbd></button>
    </div>
  </template>
  <p class="keys">{{ desk.mayJudge ? desk.word('keys') : desk.t.keys_reading }}</p>`,
  props: { desk: Object },
  computed: { verdicts() { return [["upheld", "uphold", "U"], ["dismissed", "dismiss", "D"]]; } },
};

/* Beside what a desk gives, a view gives an option `view`: its name, the prefix of its texts, the list's path in the API and
   the name of the rows in its answer, the facets, the time of a row, the verdict to start from and the one that needs a reason; and
   `isUnjudged`. `readMore()` reads what else it shows, `shown(rows, more)` is called before the list is drawn anew. */
export const review = {
  mixins: [desk, historied],
  components: { ListHead, ListFoot, Sheet },
  emits: ["show"],
  props: { switched: Boolean },
  data() {
    const { facets, first } = this.$options.view;
    return {
      counts: null, rubric: null, marks: {}, reason: "", coaching: "", intent: first,
      filters: { ...Object.fromEntries(facets.map((facet) => [facet, ""])), qc_status: "open" },
    };
  },
  computed: {
    mayJudge() { return this.may("review"); },
    canJudge() { return this.mayJudge && this.isUnjudged && !this.takenByOther; },
    started() { return Object.keys(this.marks).length > 0; },
    countText() { return this.say(this.$options.view.words + (this.filters.qc_status === "open" ? "_queue" : "_found"), { n: this.counts ? this.counts.total : "…" }); },
    scoreText() {
      if (!this.started) return this.t.qc_unscored;
      const items = this.rubric.items, marks = this.marks;
      if (items.some((item) => item.critical && marks[item.key] !== undefined && marks[item.key] < 1)) return "0";
      const weighed = items.filter((item) => marks[item.key] !== undefined);
      const weight = weighed.reduce((sum, item) => sum + item.weight, 0);
      return weight ? (weighed.reduce((sum, item) => sum + item.weight * marks[item.key], 0) / weight * 100).toFixed(1) : "–";
    },
    stateText() {
      const row = this.current;
      if (row.qc_status === "claimed") return this.say("taken", { who: this.personText(row.qc_actor) });
      if (PLACE[row.qc_status] !== PLACE.upheld) return "";
      return this.say("qc_judged_by", { who: this.personText(row.qc_actor), what: this.word("status." + row.qc_status) });
    },
  },
  watch: { current(now, before) { if (!now || !before || this.idOf(now) !== this.idOf(before)) this.intent = this.$options.view.first; } },
  // a link may lead to one row: …/qc?flag_id=…
  created() { this.asked = this.switched ? "" : new URLSearchParams(location.search).get(this.$options.row.id); },
  mounted() { if (this.switched) this.$el.querySelector(".tabs [aria-pressed=true]").focus(); },
  methods: {
    word(key) { return this.t[this.$options.view.words + "_" + key]; },
    agentText(row) { return row.agent_id ? this.nameOf(row.shop_id, row.agent_id) : "–"; },
    facetText(facet, value) {
      if (facet === "qc_status") return this.word("status." + value);
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
      for (const [facet, value] of Object.entries(this.filters)) if (value) found.set(facet, value);
      for (const [name, value] of Object.entries(more || {})) found.set(name, value);
      return found;
    },
    pathTo(more) { return this.$options.view.list + "?" + this.query(more); },
    rowsOf(page) { return page[this.$options.view.rows]; },
    belongs(row) { return PLACE[row.qc_status] < PLACE.upheld || PLACE[this.filters.qc_status] >= PLACE.upheld; },
    async arrived(rows) {
      const asked = this.asked && !this.current && await this.rowOf(this.asked);
      this.asked = "";
      if (asked && !this.current) this.open(asked);
      return desk.methods.arrived.call(this, rows);
    },
    readMore() {},
    shown() {},
    async load() {
      const { counts: counted } = this.$options.view;
      const [page, counts, more] = await Promise.all([this.read(this.pathTo({ limit: this.pageSize() })), this.read(counted + "?" + this.query()), this.readMore()]);
      return () => {
        this.cursor = page.next_cursor; this.counts = counts;
        this.shown(this.rowsOf(page), more);
        return this.arrived(this.rowsOf(page));
      };
    },
    stepText(step) {
      if (step.type === "qc.claimed") return this.t.history_claimed;
      return this.word("status." + step.verdict) + (typeof step.score === "number" ? " · " + this.t.qc_score + " " + step.score : "");
    },
    look(row) { this.readTalk(row); this.readHistory(row); this.readRubric(row); },
    async readRubric(row) {
      if (this.rubric && this.rubric.shop_id === row.shop_id) return;
      this.rubric = null;
      try {
        const rubric = await this.read("/api/v1/qc/rubric?shop_id=" + encodeURIComponent(row.shop_id));
        if (!this.current || this.current.shop_id !== row.shop_id) return;
        this.rubric = rubric;
        // a sheet that was kept may have items that are no more
        this.marks = Object.fromEntries(Object.entries(this.marks).filter(([key]) => rubric.items.some((item) => item.key === key)));
      } catch (error) { this.failed(error); }
    },
    // --- what the reviewer does
    async claim() {
      const row = this.current, who = this.name;
      if (!this.canJudge || this.mine) return;
      await this.give(row, "claim", {}, { qc_status: "claimed", qc_actor: who }, (said) => {
        this.did(row, { qc_status: said.status, qc_actor: who });
        this.noted(row, said, { type: "qc.claimed", actor: who, time: this.nowText(row[this.$options.view.at]) });
      });
    },
    async judge(verdict) {
      const row = this.current, who = this.name;
      if (this.busy || !this.canJudge) return;
      this.intent = verdict;
      if (verdict === this.$options.view.explained && !this.reason.trim()) { this.message = this.word("need_reason"); this.$refs.sheet.$refs.reason.focus(); return; }
      const body = { verdict, reason: this.reason.trim(), coaching: this.coaching.trim() };
      if (this.started) {
        if (!this.rubric) { this.message = this.t.loading; return; }
        const left = this.rubric.items.filter((item) => this.marks[item.key] === undefined).length;
        if (left) { this.message = this.say("qc_need_sheet", { n: left }); return; }
        body.marks = { ...this.marks };
      }
      const score = body.marks ? Number(this.scoreText) : null;
      await this.give(row, "verdict", body, { qc_status: verdict, qc_actor: who }, (said) => {
        this.did(row, { qc_status: said.status, qc_actor: who, qc_reason: body.reason });
        this.noted(row, said, { type: "qc.verdict_given", actor: who, time: this.nowText(row[this.$options.view.at]), ...body, score });
        this.leave(row, this.say("qc_saved", { what: this.word("status." + said.status) }));
        this.putDraft(row, null);
      });
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
