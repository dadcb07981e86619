// A report on the hour, drawn large (web/reports/models.py has what it is given), spoken, and shown over the wallboard.
import { apart, filled, yuan as yuanOf } from "/static/words.js";

const SPEAK_KEY = "zhengdian.speak";
const SHOWN_KEY = "zhengdian.reports.shown";
const STAGE_SECONDS = 20;
const SHOWN = 50;
const TEAMS = 4; // of three and more: so many have a place

const fenOf = (text) => Math.round(100 * Number(text)); // "12.30" -> 1230
const yuan = (text) => yuanOf(fenOf(text));
const count = (n) => n.toLocaleString("en-US");

export const ReportSheet = {
  template: `
<article class="sheet" :class="report.kind" :data-report="report.report_id">
  <header>
    <span class="ritual"><span class="dial" aria-hidden="true"><i></i></span>{{ name }}</span>
    <b class="span">{{ spanText }}</b>
    <span class="whose"><b>{{ report.shop_id }}</b><span class="event" v-if="report.sale_event">{{ report.sale_event }}</span></span>
  </header>
  <section class="sum">
    <small>{{ t.paid_amount }}</small>
    <b class="num" :class="{ long: report.paid_amount.length > 10 }">{{ yuan(report.paid_amount) }}</b>
    <p class="paid"><b>{{ say('orders_paid_unit', { n: count(report.orders_paid) }) }}</b><span v-if="change" :class="change.way">{{ change.text }}</span></p>
    <dl class="goals" :class="{ many: goals.length > 2 }">
      <div v-for="goal in goals" :key="goal.name" :class="{ done: goal.reached >= 100 }">
        <dt>{{ goal.name }}</dt><dd class="value"><b>{{ goal.value }}</b><template v-if="goal.target"> / {{ goal.target }}</template></dd>
        <template v-if="goal.target"><dd class="gauge"><i :style="{ width: Math.min(goal.reached, 100) + '%' }"></i></dd><dd class="share">{{ goal.reached }}%</dd></template>
      </div>
    </dl>
  </section>
  <section class="best">
    <h2>{{ t.reports_stars }}</h2>
    <ol v-if="report.stars.length">
      <li v-for="star in report.stars.slice(0, 5)" :key="star.agent_id" :class="'m' + star.rank"><span class="medal">{{ star.rank }}</span><span class="person"><b :title="star.name">{{ star.name }}</b><small :title="star.team">{{ star.team }}</small></span><span class="num"><b>{{ yuan(star.paid_amount) }}</b><small>{{ say('orders_paid_unit', { n: count(star.orders_paid) }) }}</small></span></li>
    </ol>
    <p class="none" v-else>{{ t.reports_no_star }}</p>
    <p class="more" v-if="left > 0">{{ say('reports_more_stars', { n: left }) }}</p>
  </section>
  <section class="pk" v-if="report.teams.length > 1">
    <h2>{{ t.team_pk }} <small>{{ report.pk_basis === 'orders' ? t.pk_by_orders : t.pk_by_amount }}<template v-if="teamsLeft > 0"> · {{ say('teams_more', { n: teamsLeft }) }}</template></small></h2>
    <div class="camps" v-if="report.teams.length === 2">
      <div class="camp" v-for="(team, i) in duel" :key="team.team" :class="['ab'[i], { leads: team === report.teams[0] && points(team) > points(report.teams[1]) }]" :style="{ flexGrow: weight(i) }"><b :title="team.team">{{ team.team }}</b><span class="num">{{ score(team) }}</span></div>
    </div>
    <ul class="rungs" v-else><li v-for="team in rungs" :key="team.team"><b :title="team.team">{{ team.team }}</b><span class="gauge"><i :style="{ width: share(team) + '%' }"></i></span><span class="num">{{ score(team) }}</span></li></ul>
    <p class="lead" :title="leadText">{{ leadText }}</p>
  </section>
  <footer><span>{{ figuresText }}</span><span class="doubt" v-if="!report.complete">{{ t.reports_incomplete }}</span><span class="doubt" v-else-if="moved">{{ moved }}</span><span>{{ madeText }}</span></footer>
</article>`,
  props: { report: Object, texts: Object, lang: String },
  computed: {
    t() { return this.texts; },
    date() { return this.lang === "zh" ? Number(this.report.starts_at.slice(5, 7)) + "月" + Number(this.report.starts_at.slice(8, 10)) + "日" : this.report.starts_at.slice(0, 10); },
    until() { const at = this.report.as_of.slice(11, 16); return at === "00:00" ? "24:00" : at; },
    isPart() { return Date.parse(this.report.as_of) < Date.parse(this.report.ends_at); },
    spanText() {
      if (this.report.kind === "day") return this.date + (this.isPart ? " –" + this.until : "");
      return this.report.starts_at.slice(11, 16) + "–" + this.until;
    },
    change() {
      if (this.report.before_amount === null || this.isPart) return null;
      const now = fenOf(this.report.paid_amount), before = fenOf(this.report.before_amount), by = now - before;
      const than = this.report.kind === "day" ? this.t.reports_than_day : this.t.reports_than_hour;
      return { way: by > 0 ? "up" : by < 0 ? "down" : "", text: than + " " + (by > 0 ? "▲ " : by < 0 ? "▼ " : "") + (by ? apart(now, before) : yuanOf(0)) };
    },
    goals() {
      const r = this.report, orders = (n) => this.say("orders_paid_unit", { n: count(n) });
      const money = (name, value, target, reached) => ({ name, value: yuan(value), target: target === null ? "" : yuan(target), reached });
      const number = (name, value, target, reached) => ({ name, value: count(value), target: orders(target), reached });
      const found = [];
      if (r.target_amount !== null) found.push(money(r.kind === "day" ? this.t.reports_day_target : this.t.reports_hour_target, r.paid_amount, r.target_amount, r.reached_amount));
      if (r.target_orders !== null) found.push(number(this.t.reports_orders_target, r.orders_paid, r.target_orders, r.reached_orders));
      if (r.kind === "hour") {
        found.push(money(this.t.reports_day_so_far, r.day_amount, r.day_target_amount, r.day_reached_amount));
        if (r.day_target_orders !== null) found.push(number(this.t.reports_day_orders, r.day_orders, r.day_target_orders, r.day_reached_orders));
      }
      return found;
    },
    rungs() { return this.report.teams.slice(0, TEAMS); },
    teamsLeft() { return this.report.teams.length - TEAMS; },
    left() { return Math.max(this.report.stars.length - 5, 0) + this.report.stars_left; },
    // by name: a team keeps its side when the lead changes
    duel() { return [...this.report.teams].sort((x, y) => (x.team < y.team ? -1 : 1)); },
    leadText() {
      const level = this.report.teams.filter((team) => this.points(team) === this.points(this.report.teams[0])).map((team) => team.team);
      if (level.length > 1) return level.join(this.lang === "zh" ? "、" : ", ") + " " + this.t.tied;
      const [first, second] = this.report.teams.map(this.points);
      const n = this.report.pk_basis === "orders" ? this.say("orders_paid_unit", { n: count(first - second) }) : apart(first, second);
      return level[0] + " " + this.say("lead", { n });
    },
    name() {
      const over = Date.parse(this.report.as_of) >= Date.parse(this.report.ends_at);
      return this.t["reports_" + this.report.kind + (over ? "_title" : "_now")];
    },
    figuresText() {
      const r = this.report, parts = [];
      if (r.kind === "hour") parts.push(this.t.buyers_served + " " + count(r.buyers_served));
      if (r.conversion !== null) parts.push(this.t.conversion + " " + (r.conversion * 100).toFixed(1) + "%");
      if (r.silent_share !== null) parts.push(this.t.reports_silent + " " + (r.silent_share * 100).toFixed(1) + "%");
      return parts.join(" · ");
    },
    moved() {
      const now = this.report.standing;
      const same = !now || (now.paid_amount === this.report.paid_amount && now.orders_paid === this.report.orders_paid);
      return same ? "" : this.say("reports_moved", { amount: yuan(now.paid_amount), n: count(now.orders_paid) });
    },
    madeText() {
      const at = this.report.made_at.slice(11, 19), day = this.report.kind === "day" ? "" : this.date + " ";
      return day + (this.report.made_by ? this.say("reports_made_by", { at, who: this.report.made_by }) : this.say("reports_made", { at }));
    },
  },
  methods: {
    yuan, count,
    say(key, values) { return filled(this.t[key], values); },
    points(team) { return this.report.pk_basis === "orders" ? team.orders_paid : fenOf(team.paid_amount); },
    score(team) { return this.report.pk_basis === "orders" ? this.say("orders_paid_unit", { n: count(team.orders_paid) }) : yuan(team.paid_amount); },
    share(team) { const top = this.points(this.report.teams[0]); return top ? (this.points(team) / top) * 100 : 0; },
    weight(i) {
      const [a, b] = this.duel.map(this.points);
      return Math.min(0.7, Math.max(0.3, a + b ? (i ? b : a) / (a + b) : 0.5)); // a side keeps room for its name
    },
  },
};

// speaking: a switch that this browser remembers. `state`: off, on, gesture (the browser wants a click first), voiceless
export const speaking = {
  data() { return { speakOn: localStorage.getItem(SPEAK_KEY) === "1", touched: !navigator.userActivation || navigator.userActivation.hasBeenActive, voices: true, speaksNow: false }; },
  computed: {
    speakState() { return !this.speakOn ? "off" : !this.voices ? "voiceless" : this.touched ? "on" : "gesture"; },
  },
  mounted() {
    this.touch = () => { this.touched = true; };
    for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, this.touch, { once: true, capture: true });
    this.listVoices = () => { this.voices = !!window.speechSynthesis && speechSynthesis.getVoices().length > 0; };
    if (window.speechSynthesis && speechSynthesis.addEventListener) speechSynthesis.addEventListener("voiceschanged", this.listVoices);
    this.voiceTimer = setTimeout(this.listVoices, 3000); // browsers load them late
  },
  unmounted() {
    clearTimeout(this.voiceTimer);
    for (const kind of ["pointerdown", "keydown"]) removeEventListener(kind, this.touch, { capture: true });
    if (window.speechSynthesis && speechSynthesis.removeEventListener) speechSynthesis.removeEventListener("voiceschanged", this.listVoices);
    this.hush();
  },
  methods: {
    toggleSpeak() {
      this.speakOn = !this.speakOn;
      localStorage.setItem(SPEAK_KEY, this.speakOn ? "1" : "0");
      if (this.speakOn) this.speak(this.texts.reports_speak_test); // so that one hears whether it works
      else this.hush();
    },
    hush() { if (window.speechSynthesis) speechSynthesis.cancel(); this.speaksNow = false; },
    speak(text) {
      if (!window.speechSynthesis) { this.voices = false; return; }
      speechSynthesis.cancel();
      const lang = this.lang === "zh" ? "zh-CN" : "en-GB";
      const fits = speechSynthesis.getVoices().filter((voice) => voice.lang.replace("_", "-").startsWith(lang.slice(0, 2)));
      const voice = fits.find((one) => one.localService && one.lang.replace("_", "-") === lang) || fits.find((one) => one.localService) || fits[0];
      // by sentences: some browsers fall silent in a long text
      const sentences = text.split(this.lang === "zh" ? /(?<=。)/ : /(?<=\.)\s+/).filter((part) => part.trim());
      sentences.forEach((sentence, i) => {
        const said = new SpeechSynthesisUtterance(sentence);
        said.lang = lang;
        if (voice) said.voice = voice;
        said.onstart = () => { this.touched = true; }; // some browsers are set up to need no click
        if (i === sentences.length - 1) said.onend = () => { this.speaksNow = false; };
        said.onerror = (event) => { this.speaksNow = false; if (event.error === "not-allowed") this.touched = false; };
        speechSynthesis.speak(said);
      });
      this.speaksNow = true;
    },
  },
};

export const SpeakSwitch = {
  template: `<button type="button" class="speak-switch" :class="state" role="switch" :aria-checked="state !== 'off'" :title="texts['reports_speak_' + state]" :aria-label="texts.reports_speak_switch" @click="$emit('toggle')">
  <svg viewBox="0 0 24 24" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"><path d="M4 9v6h4l5 4V5L8 9z" fill="currentColor"/><path v-if="state === 'off'" d="M17 9.5l5 5m0-5l-5 5"/><path v-else d="M16.5 8.5a5 5 0 0 1 0 7M19 6a8.5 8.5 0 0 1 0 12"/></svg><i v-if="state === 'gesture' || state === 'voiceless'">!</i></button>`,
  props: { state: String, texts: Object },
  emits: ["toggle"],
};

// one tag on the wallboard: its switch, and each new report over the whole screen for a while
export const ReportStage = {
  components: { ReportSheet, SpeakSwitch },
  mixins: [speaking],
  template: `
<SpeakSwitch :state="speakState" :texts="texts" @toggle="toggleSpeak"></SpeakSwitch>
<Teleport to="body">
  <div class="report-stage" v-if="current" role="dialog" aria-modal="true" :aria-label="current.title[lang]" @click="next">
    <div class="sheet-box"><ReportSheet :report="current" :texts="texts" :lang="lang"></ReportSheet></div>
    <button class="close" type="button" ref="close" :aria-label="texts.reports_close">✕</button>
    <div class="fuse" aria-hidden="true" :key="current.report_id"><i :style="{ animationDuration: seconds + 's' }"></i></div>
  </div>
</Teleport>`,
  props: { reports: Array, texts: Object, lang: String },
  data() { return { current: null, queue: [], seconds: STAGE_SECONDS }; },
  watch: { reports: { immediate: true, handler() { this.take(); } } },
  mounted() { this.key = (event) => { if (event.key === "Escape" && this.current) this.next(); }; addEventListener("keydown", this.key); },
  unmounted() { removeEventListener("keydown", this.key); clearTimeout(this.timer); },
  methods: {
    shown() { try { return JSON.parse(sessionStorage.getItem(SHOWN_KEY)) || []; } catch { return []; } },
    take() {
      const shown = this.shown();
      const fresh = (this.reports || []).filter((report) => !shown.includes(report.report_id));
      if (!fresh.length) return;
      try { sessionStorage.setItem(SHOWN_KEY, JSON.stringify([...shown, ...fresh.map((report) => report.report_id)].slice(-SHOWN))); } catch { /* it comes once more after a reload */ }
      this.queue.push(...fresh);
      if (!this.current) this.next();
    },
    next() {
      clearTimeout(this.timer);
      this.hush();
      this.current = this.queue.shift() || null;
      if (!this.current) return;
      if (this.speakOn) this.speak(this.current.speech[this.lang]);
      this.timer = setTimeout(this.leave, this.seconds * 1000);
    },
    // nobody is cut off in the middle of a sentence
    leave() { if (this.speaksNow && window.speechSynthesis && speechSynthesis.speaking) this.timer = setTimeout(this.leave, 1000); else this.next(); },
  },
};
