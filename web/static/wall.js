// The wallboard: draws the `board` that the server pushes (web/wall.py) and knows no rule of its own.
const LIST = { rows: 10, pinned: 3, seconds: 9 };
const SHOPS_AT_ONCE = 2;
const SHOP_SECONDS = 18;

export default {
  template: `
<div class="wall" :class="{ 'one-shop': shownShops.length === 1, stale: board.stale }" :data-status="board.status">
  <header class="top">
    <div class="brand"><span class="mark" aria-hidden="true"><i></i></span>{{ t.brand }}</div>
    <div class="when" v-if="board.hour_start_ms">
      <span class="hour">{{ hourSpan }}</span>
      <span class="tag" :class="board.mode">{{ board.mode === 'live' ? t.this_hour : t.past_hour }}</span>
      <span class="countdown" v-if="board.mode === 'live'">{{ say('to_hour', { n: countdown }) }}</span>
      <a class="back" v-if="board.mode === 'past'" :href="liveHref">{{ t.back_to_live }}</a>
    </div>
    <div class="behind" :class="behind.level" v-if="board.status === 'ok' || board.status === 'empty'"><i></i>{{ behind.text }}</div>
    <div class="clock"><span class="date">{{ dateText }}</span><time>{{ clockText }}</time></div>
    <a class="lang" :href="langHref" :title="t.switch_hint" :aria-label="t.switch_hint">{{ t.switch }}</a>
  </header>
  <div class="elapsed" aria-hidden="true"><i :style="{ width: elapsed + '%' }"></i></div>

  <div class="banner warn" v-if="board.status === 'ok' && board.mode === 'fallback'">{{ say('fallback', { hour: hourDated }) }}</div>
  <div class="banner bad" role="alert" v-if="board.stale">{{ say('down_stale', { time: staleTime }) }}</div>

  <div class="banner bad" role="alert" v-if="board.waiting && !board.stale">{{ say('waiting', { n: count(board.waiting) }) }}</div>

  <main v-if="board.status === 'ok'" class="shops">
    <section class="shop" v-for="shop in shownShops" :key="shop.shop_id" :data-shop="shop.shop_id">
      <div class="summary">
        <div class="shop-head">
          <h2>{{ shop.shop_id }}</h2>
          <span class="sale" v-if="shop.sale_event">{{ shop.sale_event.name || t.sale_event }}</span>
        </div>
        <div class="total">
          <div class="big"><small>{{ hourLabel }}{{ spaced }}{{ t.paid_amount }}</small><b class="num">{{ money(shop.hour.paid_fen) }}</b></div>
          <div class="day"><small>{{ dayLabel }}</small><b class="num">{{ money(shop.day.paid_fen) }}</b><span>{{ say('orders_paid_unit', { n: count(shop.day.orders_paid) }) }}</span></div>
        </div>
        <div class="target" v-if="shop.target_fen">
          <div class="track"><i :class="{ done: reached(shop) >= 100 }" :style="{ width: Math.min(100, reached(shop)) + '%' }"></i></div>
          <span class="num">{{ t.target }} {{ money(shop.target_fen) }} · <b>{{ reached(shop) }}%</b></span>
        </div>
        <dl class="kpis">
          <div><dt>{{ t.orders_paid }}</dt><dd>{{ count(shop.hour.orders_paid) }}</dd></div>
          <div><dt>{{ t.buyers_served }}</dt><dd>{{ count(shop.hour.buyers_served) }}</dd></div>
          <div><dt>{{ t.conversion }}</dt><dd>{{ percent(shop.hour.conversion) }}</dd></div>
          <div><dt>{{ t.average_order }}</dt><dd>{{ money(shop.hour.average_order_fen) }}</dd></div>
          <div><dt>{{ t.items_per_order }}</dt><dd>{{ ratio(shop.hour.items_per_order) }}</dd></div>
          <div><dt>{{ t.silent }}</dt><dd>{{ money(shop.hour.silent_fen) }}</dd></div>
        </dl>
      </div>

      <div class="agents">
        <h3><span>{{ t.leaderboard }}</span><small v-if="pages(shop) > 1">{{ pageText(shop) }}</small></h3>
        <transition-group name="row" tag="ol">
          <li v-for="row in page(shop)" :key="row.agent_id" :class="[medal(row), { bump: bumped.has(shop.shop_id + row.agent_id) }]">
            <i class="bar" :style="{ width: share(shop, row) + '%' }"></i>
            <span class="rank num">{{ row.rank }}</span>
            <span class="move" :class="moveClass(row)" :title="t.move_hint">{{ moveText(row) }}</span>
            <span class="name"><b>{{ row.name }}</b><small v-if="row.team">{{ row.team }}</small></span>
            <span class="orders num">{{ say('orders_paid_unit', { n: count(row.orders_paid) }) }}</span>
            <span class="amount num">{{ money(row.paid_fen) }}</span>
          </li>
        </transition-group>
      </div>

      <div class="teams" v-if="shop.teams.length">
        <h3><span>{{ shop.teams.length > 1 ? t.team_pk : t.teams }}</span><small v-if="shop.teams.length > 1">{{ shop.pk_basis === 'orders' ? t.pk_by_orders : t.pk_by_amount }}{{ leadText(shop) }}</small></h3>
        <div class="duel" v-if="shop.teams.length === 2">
          <div class="side" v-for="(team, i) in duel(shop)" :key="team.team" :class="'ab'[i]" :style="{ flexGrow: weight(shop, i) }"><b>{{ team.team }}</b><span class="num">{{ score(shop, team) }}</span></div>
        </div>
        <ul class="ladder" v-else>
          <li v-for="team in shop.teams.slice(0, 4)" :key="team.team" :class="'t' + (team.colour % 4)">
            <b>{{ team.team }}</b><span class="track"><i :style="{ width: teamShare(shop, team) + '%' }"></i></span><span class="num">{{ score(shop, team) }}</span>
          </li>
        </ul>
      </div>
    </section>
  </main>

  <main v-else class="message">
    <div class="card" v-if="board.status === 'empty'">
      <h1>{{ board.mode === 'past' ? t.empty_hour_title : t.empty_title }}</h1>
      <template v-if="board.mode === 'past'"><a class="back" :href="liveHref">{{ t.back_to_live }}</a></template>
      <template v-else>
        <p>{{ t.empty_body }}</p>
        <p>{{ t.empty_try }}</p><pre>zhengdian demo</pre>
        <p>{{ t.empty_file }}</p><pre>zhengdian ingest events.jsonl</pre>
        <p>{{ t.empty_post }} <code>POST /v1/events</code></p>
      </template>
    </div>
    <div class="card bad" role="alert" v-else-if="board.status === 'down'">
      <h1>{{ t.down_title }}</h1><p>{{ t.down_body }}</p>
    </div>
    <div class="card bad" role="alert" v-else-if="board.status === 'bad_hour'">
      <h1>{{ t.bad_title }}</h1><p>{{ t.bad_hour }}</p><a class="back" :href="liveHref">{{ t.back_to_live }}</a>
    </div>
    <p class="loading" v-else>{{ t.loading }}</p>
  </main>

  <footer class="bottom" v-if="board.status === 'ok'">
    <section class="tiles flags">
      <h3><a :href="'/qc?lang=' + lang">{{ t.flags }}</a><small>{{ t.flags_hint }}</small></h3>
      <span class="none" v-if="!board.flags.length">{{ t.flags_none }}</span>
      <dl v-for="flag in board.flags" :key="flag.rule" :class="flag.severity" :data-rule="flag.rule">
        <dt>{{ t['rule.' + flag.rule] || flag.rule }}</dt><dd><b>{{ count(flag.hour) }}</b><small>/{{ count(flag.day) }}</small></dd>
      </dl>
    </section>
    <section class="tiles tasks">
      <h3><a :href="'/calls?lang=' + lang">{{ t.tasks }}</a></h3>
      <dl v-for="kind in taskKinds" :key="kind" :class="{ violation: kind === 'overdue' && board.tasks[kind] > 0 }">
        <dt>{{ t['tasks_' + kind] }}</dt><dd><b>{{ count(board.tasks[kind]) }}</b></dd>
      </dl>
    </section>
    <div class="dots" v-if="board.shops.length > atOnce" aria-hidden="true"><i v-for="n in Math.ceil(board.shops.length / atOnce)" :key="n" :class="{ on: n - 1 === shopPage }"></i></div>
  </footer>
</div>`,
  props: { board: Object, texts: Object, lang: String },
  data() {
    return { tick: 0, now: Date.now(), skew: 0, bumped: new Set(), narrow: false };
  },
  computed: {
    t() { return this.texts; },
    locale() { return this.lang === "zh" ? "zh-CN" : "en-GB"; },
    spaced() { return this.lang === "zh" ? "" : " · "; },
    zone() { return this.board.timezone || "Asia/Shanghai"; },
    serverNow() { return this.now + this.skew; },
    clockText() { return this.format(this.serverNow, { hour: "2-digit", minute: "2-digit", second: "2-digit" }); },
    dateText() { return this.format(this.serverNow, { month: "short", day: "numeric", weekday: "short" }); },
    hourSpan() { return this.hm(this.board.hour_start_ms) + "–" + this.hm(this.board.hour_end_ms); },
    hourDated() { return this.format(this.board.hour_start_ms, { month: "short", day: "numeric" }) + " " + this.hourSpan; },
    hourLabel() { return this.board.mode === "live" ? this.t.this_hour : this.say("that_hour", { hour: this.hm(this.board.hour_start_ms) }); },
    dayLabel() {
      const day = (ms) => this.format(ms, { year: "numeric", month: "numeric", day: "numeric" });
      return day(this.serverNow) === day(this.board.hour_start_ms) ? this.t.today : this.t.that_day;
    },
    staleTime() { return this.format(this.board.now_ms, { hour: "2-digit", minute: "2-digit", second: "2-digit" }); },
    elapsed() {
      if (!this.board.hour_start_ms) return 0;
      if (this.board.mode !== "live") return 100;
      return Math.max(0, Math.min(100, ((this.serverNow - this.board.hour_start_ms) / (this.board.hour_end_ms - this.board.hour_start_ms)) * 100));
    },
    countdown() {
      const left = Math.max(0, Math.floor((this.board.hour_end_ms - this.serverNow) / 1000));
      return String(Math.floor(left / 60)).padStart(2, "0") + ":" + String(left % 60).padStart(2, "0");
    },
    behind() {
      if (!this.board.last_event_ms) return { level: "bad", text: this.t.behind_none };
      const s = Math.max(0, Math.round((this.serverNow - this.board.last_event_ms) / 1000));
      const [key, n] = s < 120 ? ["seconds", s] : s < 7200 ? ["minutes", Math.round(s / 60)] : s < 172800 ? ["hours", Math.round(s / 3600)] : ["days", Math.round(s / 86400)];
      const level = this.board.stale || this.board.status === "down" || s >= 60 ? "bad" : s >= 10 ? "late" : "good";
      return { level, text: this.say("behind", { n: this.say(key, { n }) }) };
    },
    atOnce() { return this.narrow ? 1000 : SHOPS_AT_ONCE; },
    shopPage() { return Math.floor(this.tick / SHOP_SECONDS) % Math.max(1, Math.ceil((this.board.shops || []).length / this.atOnce)); },
    shownShops() { return (this.board.shops || []).slice(this.shopPage * this.atOnce, (this.shopPage + 1) * this.atOnce); },
    taskKinds() { return ["open", "claimed", "overdue", "high", "revisit"]; },
    langHref() { return this.href({ lang: this.lang === "zh" ? "en" : "zh" }); },
    liveHref() { return this.href({ hour: null }); },
  },
  watch: {
    board: { handler(board, before) { this.sync(board); if (before) this.markChanges(board, before); } },
  },
  methods: {
    sync(board) { if (board.now_ms && !board.stale) this.skew = board.now_ms - Date.now(); },
    markChanges(board, before) {
      if (before.hour_start_ms !== board.hour_start_ms) return;
      const old = new Map();
      for (const shop of before.shops || []) for (const row of shop.rows) old.set(shop.shop_id + row.agent_id, row.paid_fen);
      const changed = new Set();
      for (const shop of board.shops || [])
        for (const row of shop.rows) if (old.size && row.paid_fen > (old.get(shop.shop_id + row.agent_id) ?? 0)) changed.add(shop.shop_id + row.agent_id);
      this.bumped = changed;
      clearTimeout(this.bumpTimer);
      this.bumpTimer = setTimeout(() => { this.bumped = new Set(); }, 1500);
    },
    say(key, values) { return (this.t[key] || key).replace(/\{(\w+)\}/g, (_, name) => values[name]); },
    format(ms, options) { return new Intl.DateTimeFormat(this.locale, { timeZone: this.zone, hourCycle: "h23", ...options }).format(ms); },
    hm(ms) { return this.format(ms, { hour: "2-digit", minute: "2-digit" }); },
    count(n) { return n === null || n === undefined ? "–" : n.toLocaleString("en-US"); },
    money(fen) { return fen === null || fen === undefined ? "–" : "¥" + Math.round(fen / 100).toLocaleString("en-US"); },
    percent(x) { return x === null || x === undefined ? "–" : (x * 100).toFixed(x >= 0.995 ? 0 : 1) + "%"; },
    ratio(x) { return x === null || x === undefined ? "–" : x.toFixed(2); },
    reached(shop) { return Math.floor((shop.hour.paid_fen / shop.target_fen) * 100); },
    href(change) {
      const query = new URLSearchParams(window.location.search);
      for (const [key, value] of Object.entries(change)) value === null ? query.delete(key) : query.set(key, value);
      const text = query.toString();
      return window.location.pathname + (text ? "?" + text : "");
    },
    // the first three stay, the places below take turns, so that everyone is on the wall once in a while
    pages(shop) { return this.narrow || shop.rows.length <= LIST.rows ? 1 : Math.ceil((shop.rows.length - LIST.pinned) / (LIST.rows - LIST.pinned)); },
    pageStart(shop) {
      const slots = LIST.rows - LIST.pinned;
      return LIST.pinned + (Math.floor(this.tick / LIST.seconds) % this.pages(shop)) * slots;
    },
    page(shop) {
      if (this.pages(shop) === 1) return shop.rows;
      const start = this.pageStart(shop);
      return shop.rows.slice(0, LIST.pinned).concat(shop.rows.slice(start, start + LIST.rows - LIST.pinned));
    },
    pageText(shop) {
      const start = this.pageStart(shop);
      return this.say("rank_pages", { from: start + 1, to: Math.min(start + LIST.rows - LIST.pinned, shop.rows.length), total: shop.rows.length });
    },
    share(shop, row) { return shop.rows[0].paid_fen ? Math.max(0, (row.paid_fen / shop.rows[0].paid_fen) * 100) : 0; },
    medal(row) { return row.paid_fen > 0 && row.rank <= 3 ? "medal m" + row.rank : ""; },
    moveText(row) { return row.is_new ? this.t.new_entry : row.move > 0 ? "▲" + row.move : row.move < 0 ? "▼" + -row.move : ""; },
    moveClass(row) { return row.is_new ? "new" : row.move > 0 ? "up" : "down"; },
    points(shop, team) { return shop.pk_basis === "orders" ? team.orders_paid : team.paid_fen; },
    score(shop, team) { return shop.pk_basis === "orders" ? this.say("orders_paid_unit", { n: this.count(team.orders_paid) }) : this.money(team.paid_fen); },
    duel(shop) { return [...shop.teams].sort((x, y) => x.colour - y.colour); },
    weight(shop, i) {
      const [a, b] = this.duel(shop).map((team) => this.points(shop, team));
      const part = a + b ? (i ? b : a) / (a + b) : 0.5;
      return Math.min(0.72, Math.max(0.28, part)); // a side keeps room for its name
    },
    teamShare(shop, team) { const top = Math.max(...shop.teams.map((x) => this.points(shop, x))); return top ? (this.points(shop, team) / top) * 100 : 0; },
    leadText(shop) {
      const sorted = shop.teams.map((team) => this.points(shop, team)).sort((x, y) => y - x);
      const lead = sorted[0] - sorted[1];
      const n = shop.pk_basis === "orders" ? this.say("orders_paid_unit", { n: this.count(lead) }) : this.money(lead);
      return " · " + (lead ? this.say("lead", { n }) : this.t.tied);
    },
    resize() { this.narrow = window.matchMedia("(max-width: 1099px)").matches; },
  },
  mounted() {
    document.documentElement.lang = this.locale;
    this.sync(this.board);
    this.resize();
    window.addEventListener("resize", this.resize);
    this.timer = setInterval(() => { this.now = Date.now(); this.tick += 1; }, 1000);
  },
  unmounted() {
    clearInterval(this.timer);
    window.removeEventListener("resize", this.resize);
  },
};
