// The scorecards: everybody's KPIs of a day, week or month against targets, the score, and the rows behind each figure.
import { desk } from "/static/desk.js";
import { grouped } from "/static/words.js";

const AGAIN_MS = 30_000; // figures of the past do not move, those of today slowly
const LONGEST_PAUSE_MS = 960_000; // after a sheet that takes too long, twice as long each time
const REVOKE_MS = 60_000; // by then the browser has saved a file
const PAGE_ROWS = 50;
const DAY_MS = 86_400_000;
const PLACE_KEY = "zhengdian.scorecards";
const KINDS = ["day", "week", "month"];
const JUDGED = ["qc_score", "judged", "violations"]; // figures of flags that were judged
const SKELETON_ROWS = 8;
// what a part of the score is called among the figures: the first of them that has data
const PART_FIGURES = { own_target: ["own_target"], qc: ["sample_score", "qc_score"], rating: ["rating"], complaints: ["complaints"] };
const dayAfter = (day, days) => new Date(Date.parse(day) + days * DAY_MS).toISOString().slice(0, 10);

export default {
  template: `
<div class="desk cards" :data-state="slow && !settled ? 'slow' : state" :data-by="shownBy" :data-stale="stale">
  <Bar :desk="self" :title="t.scorecards"></Bar>
  <div class="tools" role="search">
    <label v-if="shops.length > 1"><span>{{ t.scorecards_shop }}</span><select v-model="shop" @change="change" data-field="shop"><option v-for="one in shops" :key="one" :value="one">{{ one }}</option></select></label>
    <div class="tabs" role="group" :aria-label="t.scorecards_period"><button v-for="one in kinds" :key="one" :aria-pressed="period === one" :data-period="one" @click="pick({ period: one })">{{ t['scorecards_' + one] }}</button></div>
    <div class="stepper"><button :aria-label="t.scorecards_earlier" data-step="-1" @click="step(-1)" :disabled="!sheet">‹</button><label><span class="off">{{ t.scorecards_on }}</span><input type="date" :value="onShown" @change="pick({ on: $event.target.value })" min="2000-01-01" max="2199-12-31" data-field="on"></label><button :aria-label="t.scorecards_later" data-step="1" @click="step(1)" :disabled="!sheet || !sheet.over">›</button></div>
    <div class="tabs" role="group" :aria-label="t.scorecards_by"><button v-for="one in ['agent', 'team']" :key="one" :aria-pressed="by === one" :data-by="one" @click="pick({ by: one })">{{ t['scorecards_by_' + one] }}</button></div>
    <label class="find"><span class="off">{{ t.scorecards_search }}</span><input type="search" v-model.trim="search" :placeholder="t.scorecards_search" maxlength="64"></label>
    <label class="sorts"><span class="off">{{ say('scorecards_sort', { what: '' }) }}</span><select v-model="sortKey" @change="down = true"><option value="">{{ t.scorecards_rank }}</option><option v-for="one in figures" :key="one.key" :value="one.key">{{ t['scorecards.' + one.key] }}</option></select></label>
    <div class="does"><button @click="save" data-do="csv" :disabled="!settled || saving">{{ t.scorecards_csv }}</button><button @click="print" data-do="print" :disabled="!settled">{{ t.scorecards_print }}</button></div>
  </div>
  <div class="head" v-if="sheet" :aria-busy="stale">
    <h2>{{ spanText }} <small>{{ sheet.shop_id }} · {{ say(sheet.over ? 'scorecards_as_of' : 'scorecards_running', { time: timeText(sheet.generated_at) }) }} · {{ say('scorecards_rules', { ruleset: sheet.ruleset }) }}</small></h2>
    <p class="note"><b v-if="sheet.sale_events.length">{{ say('scorecards_sales', { names: salesText }) }}</b> <span>{{ t.scorecards_key }}</span></p>
  </div>
  <p class="reading" role="status" v-if="(stale || state === 'loading') && !slow">{{ t.scorecards_adding }}</p>
  <p class="reading" role="status" v-if="slow && settled" data-late>{{ say('scorecards_late', { time: timeText(sheet.generated_at) }) }} {{ againText }} <button class="link" @click="change">{{ t.scorecards_retry }}</button></p>
  <div class="bones" aria-hidden="true" v-if="state === 'loading'"><i v-for="n in bones" :key="n"></i></div>
  <div class="empty" role="alert" v-else-if="slow && !settled"><p>{{ t.too_slow }}</p><p>{{ againText }}</p><button @click="change">{{ t.scorecards_retry }}</button></div>
  <div class="empty" v-else-if="state === 'empty' && !stale"><b>{{ t.scorecards_empty }}</b><p>{{ t.scorecards_empty_hint }}</p></div>
  <div class="empty" v-else-if="rows.length && !shown.length"><b>{{ t.scorecards_none_found }}</b></div>
  <div class="sheetbox" v-if="shown.length" :class="{ stale }" ref="list">
    <table>
      <thead><tr>
        <th scope="col" class="whose" :aria-sort="ariaSort('rank')"><button @click="sortBy('')" data-sort="rank">{{ shownBy === 'team' ? t.scorecards_team : t.scorecards_name }}</button></th>
        <th scope="col" :aria-sort="ariaSort('score')"><button @click="sortBy('score')" data-sort="score" :title="say('scorecards_sort', { what: t.scorecards_score })">{{ t.scorecards_score }}<i aria-hidden="true">{{ arrow('score') }}</i></button></th>
        <th scope="col" v-for="one in figures" :key="one.key" :aria-sort="ariaSort(one.key)"><button @click="sortBy(one.key)" :data-sort="one.key" :title="t['scorecards_about.' + one.key]">{{ t['scorecards.' + one.key] }}<i aria-hidden="true">{{ arrow(one.key) }}</i><small v-if="one.target">{{ targetText(one) }}</small></button></th>
      </tr></thead>
      <tbody>
        <tr v-for="card in shown" :key="card.id" :data-card="card.id" :class="{ starred: card.star }">
          <th scope="row" class="whose"><b class="rank" :title="t.scorecards_rank">{{ card.rank === null ? '–' : card.rank }}</b>
            <span class="name"><span class="title"><button v-if="shownBy === 'team'" class="link" :title="titleOf(card)" @click="openTeam(card)">{{ titleOf(card) }}</button><b v-else :title="titleOf(card)">{{ titleOf(card) }}</b> <b v-if="card.star" class="star" role="img" :aria-label="t.scorecards_star" :title="t.scorecards_star">★</b></span>
            <small :title="card.team">{{ shownBy === 'team' ? say('scorecards_people', { n: card.agents }) : [card.team || t.scorecards_no_team, t['scorecards_role.' + card.role] || card.role].filter((one) => one).join(' · ') }}</small></span></th>
          <td :data-label="t.scorecards_score" class="score"><button data-figure="score" :title="whyNoScore(card)" :aria-label="t.scorecards_score + t.colon + (card.score.value || whyNoScore(card))" @click="openScore(card, $event)">{{ card.score.value === null ? '–' : card.score.value }}</button></td>
          <td v-for="one in figures" :key="one.key" :data-label="t['scorecards.' + one.key]" :class="markOf(card, one)">
            <button v-if="hasRows(card, one.key)" :data-figure="one.key" :aria-label="t['scorecards.' + one.key] + t.colon + valueText(card, one, true) + markText(card, one)" :title="say('scorecards_rows_hint', { what: t['scorecards.' + one.key] })" @click="openRows(card, one.key, $event)">{{ valueText(card, one) }}<i aria-hidden="true">{{ { met: '✓', missed: '✗' }[markOf(card, one)] }}</i></button><span v-else>{{ valueText(card, one) }}</span>
          </td>
        </tr>
      </tbody>
    </table>
  </div>

  <aside class="panel" v-if="panel" role="dialog" :aria-label="panelTitle" ref="panel" tabindex="-1" :data-panel="panel.figure">
    <header><h2>{{ panelTitle }} <small>{{ titleOf(panel.card) }}</small></h2><button @click="close" :aria-label="t.scorecards_close">✕</button></header>
    <p v-if="mayRows && judgedBy(panel.figure) && !talkOf"><button class="link" @click="openWords(panel.card)" data-do="coaching">{{ t['scorecards.coaching'] }} ›</button></p>
    <template v-if="panel.figure === 'score'">
      <p class="state" v-if="panel.card.score.value === null">{{ whyNoScore(panel.card) }}</p>
      <p class="note" v-if="panel.card.score.weights">{{ say('scorecards_why_score', { group: t['scorecards_group.' + panel.card.score.weights] }) }}</p>
      <table class="parts" v-if="panel.card.score.weights"><thead><tr><th scope="col">{{ t.scorecards_part }}</th><th scope="col">{{ t.scorecards_weight }}</th><th scope="col">{{ t.scorecards_points }}</th></tr></thead>
        <tbody><tr v-for="part in weighed" :key="part.key" :class="{ off2: part.points === null }" :data-part="part.key"><td><button class="link" v-if="part.points !== null && mayRows && partFigure(part)" @click="openRows(panel.card, partFigure(part))">{{ t['scorecards_part.' + part.key] }}</button><template v-else>{{ t['scorecards_part.' + part.key] }}</template></td><td>{{ part.points === null ? '(' + part.weight + ')' : part.weight + ' / ' + panel.card.score.counted }}</td><td>{{ part.points === null ? t.scorecards_not_counted : part.points }}</td></tr></tbody>
        <tfoot><tr><th scope="row">{{ t.scorecards_score }}</th><td>{{ panel.card.score.counted }}</td><td><b>{{ panel.card.score.value === null ? '–' : panel.card.score.value }}</b></td></tr></tfoot></table>
    </template>
    <template v-else-if="panel.figure === 'coaching'">
      <p class="note">{{ t['scorecards_about.coaching'] }}</p>
      <p class="empty" v-if="!coaching">{{ message || t.loading }}</p>
      <p class="empty" v-else-if="!coaching.words.length">{{ t.scorecards_coaching_none }}</p>
      <ol class="words" v-else><li v-for="one in coaching.words" :key="one.id" :data-words="one.id">
        <p>{{ one.coaching }}</p>
        <small><a :href="wordsHref(one)">{{ one.about === 'sample' ? t['qc_view.samples'] : t['rule.' + one.rule] || one.rule }} {{ one.about === 'sample' ? one.at.slice(0, 10) : timeText(one.at) }}</a><template v-if="shownBy === 'team'"> · {{ nameOf(sheet.shop_id, one.agent_id) }}</template></small>
        <small>{{ t[(one.about === 'sample' ? 'samples' : 'qc') + '_status.' + one.verdict] }}<template v-if="one.score !== null"> · {{ t.qc_score }} {{ one.score }}</template> · {{ personText(one.actor) }} · {{ timeText(one.judged_at) }}</small>
        <small v-if="one.reason">{{ t.history_reason }}{{ t.colon }}{{ one.reason }}</small>
      </li></ol>
      <button v-if="coaching && coaching.next_cursor" class="more" @click="moreWords" :disabled="paging">{{ t.scorecards_more }}</button>
    </template>
    <template v-else-if="talkOf">
      <p><button class="link" @click="talkOf = null; talk = null">‹ {{ t.scorecards_rows }}</button></p>
      <TimeLine :desk="self" :talk="talk" :accused="isRow" :cited="() => false"></TimeLine>
    </template>
    <template v-else>
      <p class="note">{{ t['scorecards_about.' + panel.figure] }}</p>
      <p class="state" v-if="!mayRows">{{ t.scorecards_rows_hidden }}</p>
      <template v-else-if="behind">
        <p class="sum"><b>{{ sumText }}</b> <small>{{ say('scorecards_rows_sum', { n: grouped(behind.total) }) }}</small></p>
        <p class="state" v-if="differs">{{ t.scorecards_rows_differ }}</p>
        <p class="empty" v-if="!behind.rows.length">{{ t.scorecards_rows_none }}</p>
        <table class="behind" v-else><thead><tr><th scope="col">{{ t.scorecards_when }}</th><th scope="col" v-if="anyBuyer">{{ t.scorecards_buyer }}</th><th scope="col">{{ t.scorecards_ref }}</th><th scope="col">{{ t.scorecards_adds }}</th></tr></thead>
          <tbody><tr v-for="(row, i) in behind.rows" :key="i" :class="{ off2: row.numerator === 0 }"><td>{{ whenText(row) }}<small v-if="shownBy === 'team' && row.agent_id">{{ nameOf(sheet.shop_id, row.agent_id) }}</small></td>
            <td v-if="anyBuyer"><button class="link" v-if="may('see_buyers') && row.buyer_id" @click="openTalk(row)">{{ row.buyer_id }}</button><template v-else>{{ row.buyer_id }}</template></td>
            <td>{{ refText(row) }}</td><td class="adds">{{ addsText(row) }}</td></tr></tbody></table>
        <button v-if="behind.next_cursor" class="more" @click="more" :disabled="paging">{{ t.scorecards_more }}</button>
      </template>
      <p class="empty" v-else>{{ message || t.loading }}</p>
    </template>
  </aside>
</div>`,
  mixins: [desk],
  row: { id: "id", path: "/api/v1/scorecards", draft: {} },
  data() {
    return { sheet: null, shop: "", period: "month", on: "", by: "agent", search: "", sortKey: "", down: true, panel: null, behind: null, coaching: null, talkOf: null, stale: false, slow: false, saving: false, pause: AGAIN_MS };
  },
  created() {
    this.due = 0;
    let kept = {};
    try { kept = JSON.parse(sessionStorage.getItem(PLACE_KEY)) || {}; } catch { /* as if there was nothing */ }
    const asked = new URLSearchParams(location.search);
    for (const name of ["shop", "period", "on", "by"]) this[name] = asked.get(name) || kept[name] || this[name];
    if (!KINDS.includes(this.period)) this.period = "month";
    if (this.by !== "team") this.by = "agent";
  },
  computed: {
    kinds() { return KINDS; },
    shops() { return this.sheet ? this.sheet.shops : []; },
    // the sheet is the one that was asked for last
    settled() { return !!this.sheet && !this.stale; },
    shownBy() { return this.sheet ? this.sheet.by : this.by; },
    // today stays today: it is not asked for by its date
    onShown() { return this.on || (this.sheet ? this.sheet.generated_at.slice(0, 10) : ""); },
    bones() { return SKELETON_ROWS; },
    againText() { return this.say("scorecards_again", { n: this.pause / 60_000 }); },
    figures() { return this.sheet ? this.sheet.figures : []; },
    mayRows() { return this.may("see_flags"); },
    spanText() { return this.sheet.first === this.sheet.last ? this.sheet.first : this.say("scorecards_span", this.sheet); },
    salesText() { return this.listText(this.sheet.sale_events.map((sale) => sale.name + " " + this.timeText(sale.starts_at).slice(0, 11) + "–" + this.timeText(sale.ends_at).slice(0, 11))); },
    shown() {
      const wanted = this.search.toLowerCase();
      const found = this.rows.filter((card) => [card.id, card.name, card.team, this.t["scorecards_role." + card.role] || ""].some((text) => text.toLowerCase().includes(wanted)));
      if (!this.sortKey) return this.down ? found : [...found].reverse();
      const of = (card) => (this.sortKey === "score" ? card.score : card.figures[this.sortKey]).value;
      const kind = this.figures.find((one) => one.key === this.sortKey);
      const sign = (kind && kind.better === "low" ? 1 : -1) * (this.down ? 1 : -1); // the best first
      return [...found].sort((a, b) => (of(a) === null) - (of(b) === null) || sign * (Number(of(a)) - Number(of(b))));
    },
    weighed() { return this.panel.card.score.parts.filter((part) => part.weight); },
    panelTitle() { return this.panel.figure === "score" ? this.t.scorecards_score : this.t["scorecards." + this.panel.figure]; },
    anyBuyer() { return this.behind.rows.some((row) => row.buyer_id); },
    sumText() {
      const kind = this.figures.find((one) => one.key === this.panel.figure);
      const { denominator, unit, sum, over } = this.behind;
      if (!denominator) return this.partText(sum, unit);
      const divisor = this.panel.figure === "own_target" ? this.partText(over, unit) : grouped(over);
      return this.partText(sum, unit) + " ÷ " + divisor + (this.differs ? "" : " = " + this.valueText(this.panel.card, kind, true));
    },
    differs() { const figure = this.panel.card.figures[this.panel.figure]; return figure.numerator !== this.behind.numerator || figure.denominator !== this.behind.denominator; },
  },
  methods: {
    query(more) { return new URLSearchParams({ shop_id: this.sheet ? this.sheet.shop_id : this.shop, period: this.sheet ? this.sheet.period : this.period, on: this.sheet ? this.sheet.first : this.on, ...more }).toString(); },
    async load() {
      if (Date.now() < this.due) return () => {};
      const asked = new URLSearchParams({ period: this.period, by: this.by });
      if (this.shop) asked.set("shop_id", this.shop);
      if (this.on) asked.set("on", this.on);
      this.unwanted(); // what was asked before is read no further, and its viewer gone
      this.aborter = new AbortController();
      let sheet;
      try { sheet = await this.read("/api/v1/scorecards?" + asked, this.aborter.signal); } catch (error) {
        if (error.status !== 504) throw error;
        // it may take as long again
        return () => { this.pause = Math.min(2 * this.pause, LONGEST_PAUSE_MS); this.due = Date.now() + this.pause; this.slow = true; };
      }
      return () => {
        this.due = Date.now() + AGAIN_MS; this.pause = AGAIN_MS; this.stale = false; this.slow = false;
        this.sheet = sheet; this.rows = sheet.cards; this.shop = sheet.shop_id;
        if (this.panel) this.panel.card = sheet.cards.find((card) => card.id === this.panel.card.id) || this.panel.card;
      };
    },
    unwanted() { if (this.aborter) this.aborter.abort(); },
    change() {
      this.close(); this.due = 0; this.pause = AGAIN_MS; this.stale = true; this.slow = false; this.failure = "";
      const place = { shop: this.shop, period: this.period, on: this.on, by: this.by };
      try { sessionStorage.setItem(PLACE_KEY, JSON.stringify(place)); } catch { /* the address has it */ }
      history.replaceState(history.state, "", "?" + new URLSearchParams({ lang: this.lang, ...place }));
      return this.refresh();
    },
    pick(change) { Object.assign(this, change); this.change(); },
    step(by) { if (this.sheet) this.pick({ on: by < 0 ? dayAfter(this.sheet.first, -1) : dayAfter(this.sheet.last, 1) }); },
    openTeam(card) { this.search = card.id; this.pick({ by: "agent" }); },
    print() { window.print(); },
    // the file of the very sheet that is shown; where the server has it no more, the page shows the one of now first
    async save() {
      if (!this.settled || this.saving) return;
      this.saving = true;
      const fileOf = (sheet) => this.ask("/api/v1/scorecards?" + this.query({ by: sheet.by, format: "csv", lang: this.lang, as_of: sheet.generated_at }));
      try {
        let sheet = this.sheet, answer = await fileOf(sheet);
        if (answer.status === 410) {
          await this.change();
          if (!this.settled || this.sheet === sheet) return; // the page says why
          sheet = this.sheet; answer = await fileOf(sheet);
          if (answer.ok) this.showToast(this.t.scorecards_csv_changed);
        }
        if (!answer.ok) { this.showToast(answer.status === 403 ? this.t.forbidden : this.t.failed); return; }
        const [, name] = /filename="([^"]+)"/.exec(answer.headers.get("content-disposition")) || [null, "scorecards.csv"];
        const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(await answer.blob()), download: name });
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), REVOKE_MS);
      } catch (error) { this.failed(error); } finally { this.saving = false; }
    },

    // --- the table
    grouped,
    whyNoScore(card) { return card.score.value !== null ? null : card.score.weights ? this.t.scorecards_no_data : this.t.scorecards_no_group; },
    titleOf(card) { return card.name || (this.shownBy === "team" ? this.t.scorecards_no_team : card.id); },
    valueText(card, one, inWords = false) {
      const value = card.figures[one.key].value;
      return value === null ? "–" : this.partText(value, one.unit, inWords);
    },
    // from a minute on in minutes: 7:02, or in words
    timeLong(seconds, inWords) {
      const all = Math.round(Number(seconds)), two = (n) => String(n).padStart(2, "0");
      const h = Math.floor(all / 3600), m = Math.floor(all / 60) % 60, s = two(all % 60);
      if (!inWords) return (h ? h + ":" + two(m) : m) + ":" + s;
      return this.say("scorecards_span." + (h ? "hours" : "seconds"), { h, m: h ? two(m) : m, s });
    },
    unitText(unit) { return unit === "percent" ? "%" : unit === "seconds" ? " " + this.t["scorecards_unit.seconds"] : ""; },
    targetText(one) { return (one.better === "low" ? "≤ " : "≥ ") + this.partText(String(Number(one.target)), one.unit); },
    markOf(card, one) { const { met } = card.figures[one.key]; return met === null ? "" : met ? "met" : "missed"; },
    markText(card, one) { const mark = this.markOf(card, one); return mark ? " " + this.t["scorecards_" + mark] : ""; },
    hasRows(card, key) { const figure = card.figures[key]; return figure.numerator !== 0 || figure.denominator !== 0; },
    sortBy(key) {
      if (this.sortKey !== key) { this.sortKey = key; this.down = true; } else if (this.down) this.down = false; else { this.sortKey = ""; this.down = true; }
    },
    arrow(key) { return this.sortKey === key ? (this.down ? "▼" : "▲") : ""; },
    ariaSort(key) { return (this.sortKey || "rank") !== key ? null : this.down ? "descending" : "ascending"; },

    // --- what reviewers wrote for the agent
    judgedBy(figure) { return ["score", "sample_score", ...JUDGED].includes(figure); },
    wordsHref(one) { return "/qc?" + new URLSearchParams({ lang: this.lang, [one.about + "_id"]: one.id }); },
    async openWords(card) { this.show(card, "coaching"); await this.moreWords(); },
    async moreWords() {
      const { card } = this.panel, before = this.coaching;
      this.paging = true;
      const { signal } = (this.rowsAborter = new AbortController());
      try {
        const whose = this.shownBy === "team" ? { team: card.id } : { agent_id: card.id };
        const found = await this.read("/api/v1/scorecards/coaching?" + this.query({ limit: PAGE_ROWS, cursor: (before && before.next_cursor) || "", ...whose }), signal);
        if (!this.panel || this.panel.card.id !== card.id || this.panel.figure !== "coaching" || this.coaching !== before) return;
        this.coaching = { ...found, words: [...(before ? before.words : []), ...found.words] };
      } catch (error) {
        if (error.status === 504) this.message = this.t.too_slow;
        else if (!error.unwanted) { this.failed(error); this.message = error.message; }
      } finally { if (this.rowsAborter.signal === signal) this.paging = false; }
    },

    // --- the rows behind a figure
    openScore(card, event) { this.show(card, "score", event); },
    async openRows(card, figure, event) {
      this.show(card, figure, event);
      if (this.mayRows) await this.more();
    },
    show(card, figure, event) {
      if (event) this.opener = event.currentTarget;
      if (this.rowsAborter) this.rowsAborter.abort();
      this.panel = { card, figure }; this.behind = null; this.coaching = null; this.talkOf = null; this.talk = null; this.message = "";
      this.$nextTick(() => this.$refs.panel && this.$refs.panel.focus());
    },
    async more() {
      const { card, figure } = this.panel;
      const before = this.behind;
      this.paging = true;
      const { signal } = (this.rowsAborter = new AbortController());
      try {
        const whose = this.shownBy === "team" ? { team: card.id } : { agent_id: card.id };
        const found = await this.read("/api/v1/scorecards/rows?" + this.query({ figure, limit: PAGE_ROWS, cursor: (before && before.next_cursor) || "", ...whose }), signal);
        if (!this.panel || this.panel.card.id !== card.id || this.panel.figure !== figure || this.behind !== before) return;
        this.behind = { ...found, rows: [...(before ? before.rows : []), ...found.rows] };
      } catch (error) {
        if (error.status === 504) this.message = this.t.too_slow;
        else if (!error.unwanted) { this.failed(error); this.message = error.message; }
      } finally { if (this.rowsAborter.signal === signal) this.paging = false; }
    },
    close() {
      if (!this.panel) return;
      if (this.rowsAborter) this.rowsAborter.abort();
      this.panel = null; this.behind = null; this.coaching = null; this.talkOf = null; this.talk = null;
      if (this.opener && this.opener.isConnected) this.opener.focus();
    },
    async openTalk(row) {
      this.talkOf = row; this.talk = null;
      const shop = this.sheet.shop_id;
      try {
        const talk = await this.read("/api/v1/conversations?" + new URLSearchParams({ shop_id: shop, buyer_id: row.buyer_id }));
        if (this.talkOf === row) this.talk = talk;
      } catch (error) { if (error.status !== 404) this.failed(error); else if (this.talkOf === row) this.talk = { shop_id: shop, entries: [] }; }
    },
    // what on the time line the row stands for
    isRow(entry) {
      if (this.panel.figure === "sample_score") return entry.agent_id === this.talkOf.agent_id && entry.time.slice(0, 10) === this.talkOf.at.slice(0, 10);
      return entry.time === this.talkOf.at || (!!entry.order_id && this.talkOf.order_id.split(" ").includes(entry.order_id));
    },
    partFigure(part) { return (PART_FIGURES[part.key] || []).find((key) => this.hasRows(this.panel.card, key)); },
    partText(text, unit, inWords = true) {
      if (unit === "yuan") return "¥" + grouped(text);
      return unit === "seconds" && Number(text) >= 60 ? this.timeLong(text, inWords) : grouped(text) + this.unitText(unit);
    },
    whenText(row) {
      if (this.panel.figure === "own_target") return row.at.slice(5, 10) + " " + row.at.slice(11, 16) + "–" + row.until.slice(11, 16);
      return ["inquiry_to_order", "reply_rate", "sample_score"].includes(this.behind.figure) ? row.at.slice(0, 10) : this.timeText(row.at);
    },
    refText(row) {
      const { figure } = this.panel;
      if (figure === "own_target") return this.t.target + " " + this.partText(row.what, this.behind.unit);
      if (figure === "rating" || (figure === "complaints" && row.what)) return "★".repeat(Number(row.what)) + " " + row.order_id;
      if (figure === "sample_score") return this.t["samples_status." + row.what] || row.what;
      if (JUDGED.includes(figure)) return this.t["rule." + row.what] || row.what;
      if (row.order_id) return row.order_id;
      return row.until ? "→ " + this.timeText(row.until).slice(6) : "";
    },
    addsText(row) {
      const { figure } = this.panel;
      if (["inquiry_to_order", "order_to_paid", "reply_rate", "rate_3min"].includes(figure)) return row.numerator ? "✓ " + this.t.scorecards_yes : "✗ " + this.t.scorecards_no;
      if (figure === "complaints") return row.numerator ? "+1" : "÷1";
      return this.partText(row.value, this.behind.unit);
    },
    key(event) {
      if (event.key !== "Escape") return;
      if (this.talkOf) { this.talkOf = null; this.talk = null; } else if (this.panel) this.close(); else event.target.blur();
    },
  },
};
