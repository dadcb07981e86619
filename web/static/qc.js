// The QC desk: reads and writes by the API alone (web/qc.py, web/commands.py), so that it shows what the API says.
const PAGE = 50;
const REFRESH_MS = 5000;
const FACETS = ["rule", "severity", "agent_id", "team", "qc_status"];
const NAME_KEY = "zhengdian.actor";

export default {
  template: `
<div class="desk" :data-state="state">
  <header class="bar">
    <a class="brand" href="/"><span class="mark" aria-hidden="true"><i></i></span>{{ t.brand }}</a>
    <h1>{{ t.qc }}</h1>
    <span class="count" role="status">{{ say('qc_queue', { n: counts ? counts.total : '…' }) }}</span>
    <nav><a :href="'/?lang=' + lang">{{ t.wallboard }}</a></nav>
    <label class="who" v-if="me && !me.name" :title="t.your_name_hint"><span>{{ t.your_name }}</span><input v-model.trim="actor" @change="keepName" maxlength="64" autocomplete="name"></label>
    <form class="who" v-else-if="me" method="post" action="/sign-out"><b>{{ me.display_name || me.name }}</b><button class="link">{{ t.sign_out }}</button></form>
    <a class="lang" :href="langHref" :aria-label="t.switch_hint">{{ t.switch }}</a>
  </header>
  <div class="banner bad" role="alert" v-if="trouble">{{ t[trouble] }}</div>

  <div class="columns">
    <section class="queue" :aria-label="t.qc">
      <div class="filters">
        <label v-for="facet in facets" :key="facet"><span>{{ t['qc_' + facet] }}</span>
          <select v-model="filters[facet]" @change="reload" :data-facet="facet">
            <option value="">{{ t.all }}</option>
            <option v-for="[value, n] in options(facet)" :key="value" :value="value">{{ facetText(facet, value) }} ({{ n }})</option>
          </select></label>
        <label class="wide"><span>{{ t.qc_since }}</span><input type="datetime-local" v-model="since" @change="reload"></label>
        <label class="wide"><span>{{ t.qc_until }}</span><input type="datetime-local" v-model="until" @change="reload"></label>
      </div>
      <ol class="list" ref="list" role="listbox" tabindex="0" :aria-label="t.qc" :aria-activedescendant="current ? 'flag-' + current.flag_id : null">
        <li v-for="flag in flags" :key="flag.flag_id" :id="'flag-' + flag.flag_id" role="option" :aria-selected="!!current && flag.flag_id === current.flag_id" :class="flag.severity" :data-flag="flag.flag_id" @click="open(flag)">
          <b>{{ ruleText(flag.rule) }}</b><span class="badge">{{ t['severity.' + flag.severity] }}</span>
          <span class="agent">{{ agentText(flag) }}</span><time :datetime="flag.occurred_at">{{ timeText(flag.occurred_at) }}</time>
          <small v-if="flag.qc_status !== 'open'">{{ t['qc_status.' + flag.qc_status] }} {{ flag.qc_actor }}</small>
        </li>
      </ol>
      <button class="more" v-if="cursor" @click="more">{{ t.qc_more }}</button>
      <div class="empty" v-if="ready && !flags.length"><b>{{ t.qc_empty }}</b><p>{{ t.qc_empty_hint }}</p></div>
    </section>

    <section class="talk" :aria-label="t.qc_timeline">
      <template v-if="current">
        <h2>{{ t.qc_timeline }} <small>{{ current.shop_id }} · {{ current.buyer_id }}</small></h2>
        <p class="note" v-if="talk && talk.truncated">{{ t.qc_truncated }}</p>
        <p class="empty" v-if="!talk">{{ t.loading }}</p>
        <ol class="line" v-if="talk" ref="line" tabindex="0" :aria-label="t.qc_timeline">
          <li v-for="entry in talk.entries" :key="entry.type + entry.id" :class="[kind(entry), { accused: isAccused(entry), cited: isCited(entry) }]" :data-entry="entry.id">
            <template v-if="entry.type === 'chat.message'">
              <small><b>{{ entry.sender === 'agent' ? nameOf(current.shop_id, entry.agent_id) : t['sender.buyer'] }}</b> {{ timeText(entry.time) }} <i v-if="t['mode.' + entry.reply_mode]">{{ t['mode.' + entry.reply_mode] }}</i></small>
              <p><template v-for="(part, i) in marked(entry)" :key="i"><mark v-if="part.hit">{{ part.text }}</mark><template v-else>{{ part.text }}</template></template></p>
            </template>
            <template v-else>
              <small>{{ timeText(entry.time) }}</small>
              <p><b>{{ t['entry.' + entry.type] || entry.type }}</b> <span v-if="entry.order_id">{{ entry.order_id }}</span> <span v-if="entry.amount">¥{{ entry.amount }}</span> <span v-if="entry.rating" class="stars">{{ '★'.repeat(entry.rating) }}</span> {{ entry.text || itemsText(entry) }}</p>
            </template>
          </li>
        </ol>
      </template>
      <p class="empty" v-else-if="flags.length">{{ t.qc_pick }}</p>
    </section>

    <section class="verdict" v-if="current" :aria-label="t.qc_why">
      <h2>{{ ruleText(current.rule) }} <span class="badge" :class="current.severity">{{ t['severity.' + current.severity] }}</span></h2>
      <p class="why">{{ why(current) }}</p>
      <p class="note" v-if="precisionText">{{ precisionText }}</p>
      <p class="state" role="status" aria-live="polite">{{ message || stateText }}</p>
      <template v-if="mayJudge && (current.qc_status === 'open' || current.qc_status === 'claimed')">
        <button class="claim" v-if="!mine" @click="claim" :disabled="busy || takenByOther">{{ t.qc_claim }} <kbd>C</kbd></button>
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
          <button class="uphold" @click="judge('upheld')" :disabled="busy || takenByOther">{{ t.qc_uphold }} <kbd>U</kbd></button>
          <button class="dismiss" @click="judge('dismissed')" :disabled="busy || takenByOther">{{ t.qc_dismiss }} <kbd>D</kbd></button>
        </div>
      </template>
      <p class="keys">{{ t.qc_keys }}</p>
    </section>
  </div>
</div>`,
  props: { texts: Object, lang: String },
  data() {
    return {
      me: null, actor: "", agents: new Map(), counts: null, precision: new Map(), flags: [], cursor: null, current: null, talk: null,
      rubric: null, marks: {}, reason: "", coaching: "", intent: "upheld", message: "", busy: false, trouble: "", ready: false,
      filters: { rule: "", severity: "", agent_id: "", team: "", qc_status: "open" }, since: "", until: "", turn: 0,
    };
  },
  computed: {
    t() { return this.texts; },
    facets() { return FACETS; },
    state() { return this.trouble ? "trouble" : this.ready ? (this.flags.length ? "busy" : "empty") : "loading"; },
    name() { return this.me && this.me.name ? this.me.name : this.actor; },
    mayJudge() { return !!this.me && this.me.may.includes("review"); },
    mine() { return this.current.qc_status === "claimed" && this.current.qc_actor === this.name; },
    takenByOther() { return this.current.qc_status === "claimed" && !this.mine; },
    langHref() { return "?lang=" + (this.lang === "zh" ? "en" : "zh"); },
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
      if (flag.qc_status === "claimed") return this.say("qc_taken", { who: flag.qc_actor });
      if (flag.qc_status === "open") return "";
      return this.say("qc_judged_by", { who: flag.qc_actor, what: this.t["qc_status." + flag.qc_status] }) + (flag.qc_reason ? " · " + flag.qc_reason : "");
    },
    precisionText() {
      const found = this.precision.get(this.current.rule);
      return found && found.judged ? this.say("qc_precision", { p: Math.round(found.precision * 100) + "%", upheld: found.upheld, judged: found.judged }) : "";
    },
  },
  async mounted() {
    document.documentElement.lang = this.lang === "zh" ? "zh-CN" : "en";
    this.actor = localStorage.getItem(NAME_KEY) || "";
    addEventListener("keydown", this.key);
    this.timer = setInterval(() => this.refresh(), REFRESH_MS);
    await this.refresh();
  },
  unmounted() { removeEventListener("keydown", this.key); clearInterval(this.timer); },
  methods: {
    say(key, values) { return this.t[key].replace(/{(\w+)}/g, (_, name) => values[name] ?? ""); },
    ruleText(rule) { return this.t["rule." + rule] || rule; },
    nameOf(shop, id) { const agent = this.agents.get(shop + "|" + id); return (agent && agent.name) || id; },
    agentText(flag) { return flag.agent_id ? this.nameOf(flag.shop_id, flag.agent_id) : "–"; },
    timeText(time) { return time.slice(5, 10) + " " + time.slice(11, 19); },
    itemsText(entry) { return (entry.items || []).map((item) => item.title + "×" + item.quantity).join(" "); },
    facetText(facet, value) {
      if (facet === "rule") return this.ruleText(value);
      if (facet === "severity" || facet === "qc_status") return this.t[facet + "." + value];
      if (facet === "agent_id") { const known = [...this.agents.values()].find((agent) => agent.agent_id === value); return (known && known.name) || value || "–"; }
      return value || "–";
    },
    options(facet) {
      const found = Object.entries((this.counts && this.counts[facet]) || {});
      const chosen = this.filters[facet];
      if (chosen && !found.some(([value]) => value === chosen)) found.push([chosen, 0]);
      return found.filter(([value]) => value !== "");
    },
    // --- the API
    async ask(path, body) {
      const options = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
      let answer;
      try { answer = await fetch(path, options); } catch { this.trouble = "qc_offline"; throw new Error("offline"); }
      if (answer.status === 401) { location.href = "/sign-in?lang=" + this.lang + "&next=" + encodeURIComponent(location.pathname + location.search); throw new Error("signed out"); }
      if (answer.status === 503 && body === undefined) { this.trouble = "qc_unavailable"; throw new Error("unavailable"); }
      return answer;
    },
    async read(path) {
      const answer = await this.ask(path);
      if (!answer.ok) throw new Error((await answer.json()).detail);
      return answer.json();
    },
    query(more) {
      const found = new URLSearchParams();
      for (const facet of FACETS) if (this.filters[facet]) found.set(facet, this.filters[facet]);
      for (const name of ["since", "until"]) if (this[name]) found.set(name, new Date(this[name]).toISOString());
      for (const [name, value] of Object.entries(more || {})) found.set(name, value);
      return found;
    },
    async refresh() {
      const turn = ++this.turn;
      try {
        if (!this.me) {
          this.me = await this.read("/api/v1/me");
          this.agents = new Map((await this.read("/api/v1/agents")).agents.map((agent) => [agent.shop_id + "|" + agent.agent_id, agent]));
        }
        const known = Math.min(500, Math.max(PAGE, this.flags.length));
        const [page, counts, precision] = await Promise.all([this.read("/api/v1/qc/queue?" + this.query({ limit: known })), this.read("/api/v1/qc/counts?" + this.query()), this.read("/api/v1/qc/precision")]);
        if (turn !== this.turn) return; // the filters have changed meanwhile
        this.flags = page.flags; this.cursor = page.next_cursor; this.counts = counts;
        this.precision = new Map(precision.rules.map((rule) => [rule.rule, rule]));
        this.trouble = ""; this.ready = true;
        if (this.current) { const same = page.flags.find((flag) => flag.flag_id === this.current.flag_id); if (same) this.settle(same); }
        else if (page.flags.length) await this.open(page.flags[0]);
      } catch (error) { if (!this.trouble && error.message !== "signed out") this.message = error.message; }
    },
    // what this page has just done holds until the API says as much
    settle(flag) { if (!this.done || this.done.id !== flag.flag_id || flag.qc_status !== "open") this.current = flag; },
    async reload() { this.current = null; this.talk = null; this.flags = []; await this.refresh(); this.$refs.list.scrollTop = 0; },
    async more() {
      const page = await this.read("/api/v1/qc/queue?" + this.query({ limit: PAGE, cursor: this.cursor }));
      this.flags = [...this.flags, ...page.flags]; this.cursor = page.next_cursor;
    },
    async open(flag) {
      this.current = flag; this.talk = null; this.marks = {}; this.reason = ""; this.coaching = ""; this.message = "";
      this.$nextTick(() => { const row = document.getElementById("flag-" + flag.flag_id); if (row) row.scrollIntoView({ block: "nearest" }); });
      try {
        const path = [flag.shop_id, flag.buyer_id].map(encodeURIComponent).join("/");
        const [talk, rubric] = await Promise.all([this.read("/api/v1/conversations/" + path), this.read("/api/v1/qc/rubric?shop_id=" + encodeURIComponent(flag.shop_id))]);
        if (!this.current || this.current.flag_id !== flag.flag_id) return;
        this.talk = talk; this.rubric = rubric;
        await this.$nextTick();
        const accused = this.$refs.line && this.$refs.line.querySelector(".accused");
        if (accused) accused.scrollIntoView({ block: "center" });
      } catch (error) { if (!this.trouble) this.message = error.message; }
    },
    // --- the transcript
    kind(entry) { return entry.type === "chat.message" ? entry.sender : "fact " + entry.type.replace(".", "-"); },
    isAccused(entry) { return !!this.current && (entry.type === "chat.message" ? entry.id === this.current.message_id : !!this.current.review_id && entry.review_id === this.current.review_id); },
    // what the evidence rests on besides: the earlier reminder, the payment, the slow replies
    isCited(entry) {
      if (!this.current || this.isAccused(entry)) return false;
      const e = this.current.evidence;
      if (entry.type === "chat.message") return entry.id === e.earlier_message_id || (e.replies || []).some((reply) => entry.id === reply.message_id || entry.id === reply.opened_by);
      if (entry.type === "payment.succeeded") return entry.payment_id === e.payment_id || (e.payment_ids || []).includes(entry.payment_id);
      return entry.type === "order.placed" && (e.order_ids || []).includes(entry.order_id);
    },
    marked(entry) {
      const hits = this.isAccused(entry) ? this.current.evidence.phrases || [] : [];
      const letters = Array.from(entry.text || ""); // offsets count characters, not UTF-16 units
      const parts = []; let at = 0;
      for (const hit of [...hits].sort((a, b) => a.start - b.start)) {
        if (hit.start < at) continue;
        parts.push({ text: letters.slice(at, hit.start).join("") }, { text: letters.slice(hit.start, hit.end).join(""), hit: true });
        at = hit.end;
      }
      return [...parts, { text: letters.slice(at).join("") }].filter((part) => part.text);
    },
    why(flag) {
      const e = flag.evidence;
      const values = {
        order_ids: (e.order_ids || flag.order_ids).join("、"), seconds: e.seconds_since, rating: e.rating,
        agent: e.earlier_agent_id ? this.nameOf(flag.shop_id, e.earlier_agent_id) : "",
        phrases: (e.phrases || []).map((hit) => "「" + hit.phrase + "」").join(" "),
      };
      if (e.replies) values.seconds = Math.round(e.replies[e.replies.length - 1].response_ms / 1000);
      const keys = flag.rule === "reminder.same_day" ? (e.basis || []).map((basis) => flag.rule + "." + basis) : [flag.rule];
      return keys.map((key) => (this.t["why." + key] ? this.say("why." + key, values) : "")).join(" ");
    },
    // --- what the reviewer does
    keepName() { localStorage.setItem(NAME_KEY, this.actor); },
    async give(path, body) {
      if (!this.name) { this.message = this.t.qc_need_name; return null; }
      this.busy = true; this.message = "";
      try {
        const answer = await this.ask(path, { ...body, actor: this.name });
        const said = await answer.json();
        if (answer.ok) return said;
        const holder = answer.status === 409 && /^(.+) has it \(/.exec(said.detail);
        this.message = holder ? this.say("qc_taken", { who: holder[1] }) : answer.status === 403 ? this.t.qc_forbidden : typeof said.detail === "string" ? said.detail : said.detail.map((one) => one.msg).join("; ");
        if (answer.status === 409) { this.done = null; const message = this.message; await this.refresh(); this.message = message; }
        return null;
      } catch { return null; } finally { this.busy = false; }
    },
    async claim() {
      const flag = this.current;
      const said = await this.give("/api/v1/flags/" + encodeURIComponent(flag.flag_id) + "/claim", {});
      if (said) { this.done = { id: flag.flag_id }; this.current = { ...flag, qc_status: said.status, qc_actor: this.name }; }
    },
    async judge(verdict) {
      const flag = this.current;
      if (verdict === "dismissed" && !this.reason.trim()) { this.message = this.t.qc_need_reason; this.intent = verdict; this.$refs.reason.focus(); return; }
      const body = { verdict, reason: this.reason.trim(), coaching: this.coaching.trim() };
      if (this.started) {
        const left = this.rubric.items.filter((item) => this.marks[item.key] === undefined).length;
        if (left) { this.message = this.say("qc_need_sheet", { n: left }); this.intent = verdict; return; }
        body.marks = { ...this.marks };
      }
      const said = await this.give("/api/v1/flags/" + encodeURIComponent(flag.flag_id) + "/verdict", body);
      if (!said) return;
      const at = this.flags.findIndex((one) => one.flag_id === flag.flag_id);
      this.done = { id: flag.flag_id };
      this.flags = this.flags.filter((one) => one.flag_id !== flag.flag_id);
      const next = this.flags[Math.min(Math.max(at, 0), this.flags.length - 1)];
      if (next) await this.open(next); else { this.current = null; this.talk = null; }
      this.message = this.say("qc_saved", { what: this.t["qc_status." + verdict] });
      this.intent = "upheld";
    },
    step(by) {
      const at = this.current ? this.flags.findIndex((flag) => flag.flag_id === this.current.flag_id) : -1;
      const next = this.flags[Math.min(Math.max(at + by, 0), this.flags.length - 1)];
      if (next && next !== this.current) this.open(next);
    },
    key(event) {
      const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && event.target.type !== "radio";
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && this.current) { event.preventDefault(); this.judge(this.intent); return; }
      if (event.key === "Escape") { event.target.blur(); return; }
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      const does = { j: () => this.step(1), k: () => this.step(-1), ArrowDown: () => this.step(1), ArrowUp: () => this.step(-1) }[event.key]
        || (this.current && this.mayJudge && { c: () => this.claim(), u: () => this.judge("upheld"), d: () => this.judge("dismissed") }[event.key.toLowerCase()]);
      if (does && event.target.type !== "radio") { event.preventDefault(); does(); }
    },
  },
};
