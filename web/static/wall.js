// The wallboard: draws the boards that the server sends (web/wallboard.py) and knows no rule of its own.
import { Account, Links } from "/static/menu.js";
import { ReportStage } from "/static/report_sheet.js";
import { apart, filled, yuan } from "/static/words.js";

const LIST = { rows: 10, pinned: 3, seconds: 9 };
const TEAMS = 4; // of three and more: so many have a place
const SHOPS_AT_ONCE = 2;
const SHOP_SECONDS = 18;
const SCENES = ["board", "service"];
const SCENE_SECONDS = 15;
const SILENT_MS = 15_000; // a board comes every 5 s at least
const NONE = "–";

// a figure of a tile; where there is none, why not
const Figure = {
  template: `<dd :title="none ? hint : null">{{ text }}<small v-if="none" class="why">{{ why }}</small></dd>`,
  props: { text: String, why: String, hint: String },
  computed: { none() { return this.text === NONE; } },
};

export default {
  template: `
<div class="wall" :class="{ 'one-shop': shownShops.length === 1, stale: board.stale, rotating }" :data-status="board.status">
  <header class="top">
    <h1 class="brand"><span class="mark" aria-hidden="true"><i></i></span>{{ t.brand }}</h1>
    <div class="when" v-if="board.hour_start_ms">
      <span class="hour">{{ hourSpan }}</span>
      <span class="tag" :class="board.mode">{{ board.mode === 'live' ? t.this_hour : t.past_hour }}</span>
      <span class="countdown" v-if="board.mode === 'live'">{{ say('to_hour', { n: countdown }) }}</span>
      <a class="back" v-if="board.mode === 'past'" :href="liveHref">{{ t.back_to_live }}</a>
    </div>
    <div class="behind" :class="behind.level" v-if="board.status === 'ok' || board.status === 'empty'"><i></i>{{ behind.text }}</div>
    <div class="clock"><span class="date">{{ dateText }}</span><time>{{ clockText }}</time></div>
    <details class="menu" v-if="!rotating" @toggle="me || ask()"><summary class="lang">{{ t.menu }}</summary><div class="drop"><Links :texts="t" :lang="lang" :places="places" :me="me"></Links><Account :texts="t" :lang="lang" :me="me"></Account></div></details>
    <button class="lang turn" type="button" @click="rotate" :aria-pressed="rotating" :title="t.rotate_hint">{{ rotating ? t.rotate_off : t.rotate }}</button>
    <ReportStage :reports="board.reports" :texts="texts" :lang="lang"></ReportStage>
    <a class="lang" :href="langHref" :title="t.switch_hint" :aria-label="t.switch_hint">{{ t.switch }}</a>
  </header>
  <div class="elapsed" aria-hidden="true"><i :style="{ width: elapsed + '%' }"></i></div>

  <div class="banner warn" v-if="board.status === 'ok' && board.mode === 'fallback'">{{ say('fallback', { hour: hourDated }) }}</div>
  <div class="banner bad" role="alert" v-if="lost">{{ t.offline }}</div>
  <div class="banner bad" role="alert" v-else-if="board.stale">{{ say('down_stale', { time: staleTime }) }}</div>

  <div class="banner bad" role="alert" v-if="board.waiting && !board.stale">{{ say('waiting', { n: count(board.waiting) }) }}</div>

  <div class="banner" :class="shop.service.waiting.level === 'overload' ? 'bad' : 'warn'" role="alert" v-for="shop in crowded" :key="shop.shop_id" :data-crowded="shop.shop_id">{{ crowdText(shop) }}</div>

  <div v-if="board.status === 'ok' && scene === 'service'" class="shops">
    <section class="shop floor" v-for="shop in shownShops" :key="shop.shop_id" :data-shop="shop.shop_id">
      <div class="shop-head"><h2>{{ shop.shop_id }}</h2><span class="sale" v-if="shop.sale_event">{{ shop.sale_event.name || t.sale_event }}</span></div>
      <div class="gauge" :class="shop.service.waiting.level" v-if="shop.service.waiting">
        <div class="big"><small>{{ t.waiting_now }}</small><b class="num">{{ count(shop.service.waiting.buyers) }}</b></div>
        <div class="day"><small>{{ t.longest_wait }}</small><b class="num">{{ duration(shop.service.waiting.longest_ms) }}</b></div>
        <div class="day left" :class="{ some: shop.service.waiting.gave_up }" :title="say('gave_up_hint', { n: shop.service.waiting.waiting_minutes })"><small>{{ t.gave_up }}</small><b class="num">{{ count(shop.service.waiting.gave_up) }}</b></div>
        <div class="track"><i :style="{ width: Math.min(100, part(shop, shop.service.waiting.buyers)) + '%' }"></i><u v-for="mark in ['warning_at', 'overload_at']" :key="mark" :style="{ left: part(shop, shop.service.waiting[mark]) + '%' }"><small>{{ t[mark] }} {{ count(shop.service.waiting[mark]) }}</small></u></div>
      </div>
      <table class="figures" :class="{ grey: shop.service.in_sale_event }">
        <caption>{{ t.response }}<small v-if="shop.service.in_sale_event">{{ t.not_scored }}</small></caption>
        <thead><tr><th></th><th v-for="[definition, size] in columns" :key="definition + size" scope="col"><span>{{ t['definition.' + definition] }}</span><small>{{ size === 'hour' ? hourLabel : dayLabel }}</small></th></tr></thead>
        <tbody><tr v-for="figure in ['avg_response_ms', 'rate_3min', 'answered', 'unanswered', 'pending']" :key="figure"><th scope="row">{{ t['figure.' + figure] }}</th><td class="num" v-for="[definition, size] in columns" :key="definition + size">{{ figureText(figure, shop.service[size][definition]) }}</td></tr></tbody>
      </table>
      <div class="waits">
        <h3><span>{{ t.waits_most }}</span></h3>
        <ol v-if="shop.service.waiting && shop.service.waiting.agents.length"><li v-for="one in shop.service.waiting.agents.slice(0, 6)" :key="one.agent_id" :class="{ violation: one.is_overloaded }"><b :title="one.name">{{ one.name }}</b><span class="num">{{ say('buyers', { n: count(one.buyers) }) }}</span><small class="num">{{ duration(one.longest_ms) }}</small></li></ol>
        <p v-else class="none">{{ t.nobody_waits }}</p>
        <h3><span>{{ t.first_and_reply }}</span></h3>
        <dl class="kpis"><div :class="{ grey: shop.service.in_sale_event }"><dt>{{ t.first_response }}</dt><Figure :text="seconds(shop.service.hour.first_responses.avg_ms)" :why="t.none_yet" :hint="t.none_yet_hint"></Figure></div><div :class="{ grey: shop.service.in_sale_event }"><dt>{{ t.in_ten_seconds }}</dt><Figure :text="percent(withinTen(shop))" :why="t.none_yet" :hint="t.none_yet_hint"></Figure></div><div><dt>{{ t.reply_rate }}</dt><Figure :text="percent(shop.service.reply_rate)" :why="t.none_yet" :hint="t.none_yet_hint"></Figure></div></dl>
        <h3><span>{{ t.mix }}</span><small>{{ mixText(shop) }}</small></h3>
        <div class="duel"><div class="side a" :style="{ flexGrow: mixWeight(shop, 'presale') }"><b>{{ t.presale }}</b><span class="num">{{ count(shop.service.served.presale) }}</span></div><div class="side b" :style="{ flexGrow: mixWeight(shop, 'aftersale') }"><b>{{ t.aftersale }}</b><span class="num">{{ count(shop.service.served.aftersale) }}</span></div></div>
      </div>
    </section>
  </div>

  <div v-else-if="board.status === 'ok'" class="shops">
    <section class="shop" v-for="shop in shownShops" :key="shop.shop_id" :data-shop="shop.shop_id">
      <div class="summary">
        <div class="shop-head">
          <h2>{{ shop.shop_id }}</h2>
          <span class="sale" v-if="shop.sale_event">{{ shop.sale_event.name || t.sale_event }}</span>
        </div>
        <div class="total">
          <div class="big"><small>{{ hourLabel }}{{ spaced }}{{ t.paid_amount }}</small><b class="num">{{ money(shop.hour.paid_fen) }}</b></div>
          <div class="day"><small>{{ dayLabel }}{{ dayGoalText(shop) }}</small><b class="num">{{ money(shop.day.paid_fen) }}</b><span>{{ say('orders_paid_unit', { n: count(shop.day.orders_paid) }) }}</span></div>
        </div>
        <div class="target" v-if="reached(shop) !== null">
          <div class="track"><i :class="{ done: reached(shop) >= 100 }" :style="{ width: Math.min(100, reached(shop)) + '%' }"></i></div>
          <span class="num">{{ t.target }} <template v-if="shop.target_fen">{{ money(shop.target_fen) }} · </template><b>{{ reached(shop) }}%</b><template v-if="shop.target_orders"> · <b>{{ count(shop.hour.orders_paid) }}</b>/{{ say('orders_paid_unit', { n: count(shop.target_orders) }) }}</template></span>
        </div>
        <dl class="kpis">
          <div><dt>{{ t.orders_paid }}</dt><dd>{{ count(shop.hour.orders_paid) }}</dd></div>
          <div><dt>{{ t.buyers_served }}</dt><dd>{{ count(shop.hour.buyers_served) }}</dd></div>
          <div><dt>{{ t.conversion }}</dt><Figure :text="percent(shop.hour.conversion)" :why="t.none_yet" :hint="t.none_yet_hint"></Figure></div>
          <div><dt>{{ t.average_order }}</dt><Figure :text="money(shop.hour.average_order_fen)" :why="t.none_yet" :hint="t.none_yet_hint"></Figure></div>
          <div><dt>{{ t.items_per_order }}</dt><Figure :text="ratio(shop.hour.items_per_order)" :why="t.none_yet" :hint="t.none_yet_hint"></Figure></div>
          <div><dt>{{ t.silent }}</dt><dd>{{ money(shop.hour.silent_fen) }}</dd></div>
        </dl>
        <dl class="kpis service">
          <div v-if="shop.service.waiting" :class="shop.service.waiting.level" data-figure="waiting"><dt>{{ t.waiting_now }}</dt><dd>{{ count(shop.service.waiting.buyers) }}<small v-if="shop.service.waiting.longest_ms !== null">{{ say('longest', { n: duration(shop.service.waiting.longest_ms) }) }}</small></dd></div>
          <div v-if="shop.service.waiting" :class="{ busy: shop.service.waiting.gave_up }" :title="say('gave_up_hint', { n: shop.service.waiting.waiting_minutes })" data-figure="gave_up"><dt>{{ t.gave_up }}</dt><dd>{{ count(shop.service.waiting.gave_up) }}</dd></div>
          <div :class="{ grey: shop.service.in_sale_event }" :title="shop.service.in_sale_event ? t.not_scored : t['definition.all']" data-figure="all"><dt>{{ t.avg_all }}</dt><Figure :text="seconds(shop.service.hour.all.avg_response_ms)" :why="t.none_yet" :hint="t.none_yet_hint"></Figure></div>
          <div :class="{ grey: shop.service.in_sale_event }" :title="shop.service.in_sale_event ? t.not_scored : t['definition.platform']" data-figure="platform"><dt>{{ t.avg_platform }}</dt><Figure :text="seconds(shop.service.hour.platform.avg_response_ms)" :why="platformWhy(shop)" :hint="platformHint(shop)"></Figure></div>
          <div :class="{ grey: shop.service.in_sale_event }" :title="shop.service.in_sale_event ? t.not_scored : t['definition.platform']" data-figure="rate"><dt>{{ t['figure.rate_3min'] }}</dt><Figure :text="percent(shop.service.hour.platform.rate_3min)" :why="platformWhy(shop)" :hint="platformHint(shop)"></Figure></div>
          <div data-figure="mix"><dt>{{ t.mix }}</dt><Figure :text="mixText(shop)" :why="t.none_yet" :hint="t.none_yet_hint"></Figure></div>
        </dl>
      </div>

      <div class="agents">
        <h3><span>{{ t.leaderboard }}</span><small v-if="pages(shop) > 1">{{ pageText(shop) }}</small></h3>
        <transition-group name="row" tag="ol">
          <li v-for="row in page(shop)" :key="row.agent_id" :class="[medal(row), { bump: bumped.has(shop.shop_id + row.agent_id) }]">
            <i class="bar" :style="{ width: share(shop, row) + '%' }"></i>
            <span class="rank num" :title="medal(row) ? t.medal_hint : null">{{ row.rank }}</span>
            <span class="move" :class="moveClass(row)" :title="board.mode === 'live' ? t.move_hint : t.move_hint_past">{{ moveText(row) }}</span>
            <span class="name"><b :title="row.name">{{ row.name }}</b><small v-if="row.team" :title="row.team">{{ row.team }}</small><em v-if="row.waiting" :class="{ violation: overloaded(shop, row) }">{{ say('waits', { n: count(row.waiting) }) }}</em></span>
            <span class="orders num">{{ say('orders_paid_unit', { n: count(row.orders_paid) }) }}</span>
            <span class="amount num">{{ money(row.paid_fen) }}</span>
          </li>
        </transition-group>
      </div>

      <div class="teams" v-if="shop.teams.length">
        <h3><span>{{ shop.teams.length > 1 ? t.team_pk : t.teams }}</span><small v-if="shop.teams.length > 1">{{ shop.pk_basis === 'orders' ? t.pk_by_orders : t.pk_by_amount }}{{ leadText(shop) }}</small></h3>
        <div class="duel" v-if="shop.teams.length === 2">
          <div class="side" v-for="(team, i) in duel(shop)" :key="team.team" :class="'ab'[i]" :style="{ flexGrow: weight(shop, i) }"><b :title="team.team">{{ team.team }}<small v-if="teamReached(team) !== null">{{ t.target }} {{ teamReached(team) }}%</small></b><span class="num">{{ score(shop, team) }}</span></div>
        </div>
        <ul class="ladder" v-else>
          <li v-for="team in shop.teams.slice(0, teamPlaces)" :key="team.team" :class="'t' + (team.colour % 4)">
            <b :title="team.team">{{ team.team }}<small v-if="teamReached(team) !== null">{{ t.target }} {{ teamReached(team) }}%</small></b><span class="track"><i :style="{ width: teamShare(shop, team) + '%' }"></i></span><span class="num">{{ score(shop, team) }}</span>
          </li>
        </ul>
      </div>
    </section>
  </div>

  <div v-else class="message">
    <div class="card" v-if="board.status === 'empty'">
      <h1>{{ board.mode === 'past' ? t.empty_hour_title : t.empty_title }}</h1>
      <template v-if="board.mode === 'past'"><a class="back" :href="liveHref">{{ t.back_to_live }}</a></template>
      <template v-else>
        <p>{{ t.empty_body }}</p>
        <template v-if="may('send')">
          <p>{{ t.empty_try }}</p><pre>zhengdian demo</pre>
          <p>{{ t.empty_file }}</p><pre>zhengdian ingest events.jsonl</pre>
          <p>{{ t.empty_post }} <code>POST /v1/events</code></p>
        </template>
      </template>
    </div>
    <div class="card bad" role="alert" v-else-if="board.status === 'down'">
      <h1>{{ t.down_title }}</h1><p>{{ t.down_body }}</p>
    </div>
    <div class="card bad" role="alert" v-else-if="board.status === 'bad_hour'">
      <h1>{{ t.bad_title }}</h1><p>{{ t.bad_hour }}</p><a class="back" :href="liveHref">{{ t.back_to_live }}</a>
    </div>
    <p class="loading" v-else>{{ t.loading }}</p>
  </div>

  <footer class="bottom" v-if="board.status === 'ok'">
    <section class="tiles flags">
      <h3><a v-if="may('see_flags')" :href="'/qc?lang=' + lang">{{ t.flags }}</a><span v-else>{{ t.flags }}</span><small>{{ t.flags_hint }}</small></h3>
      <span class="none" v-if="!board.flags.length">{{ t.flags_none }}</span>
      <dl v-for="flag in board.flags" :key="flag.rule" :class="flag.severity" :title="say('flag_hint', { violations: count(flag.violations), notices: count(flag.day - flag.violations) })" :data-rule="flag.rule">
        <dt>{{ t['rule.' + flag.rule] || flag.rule }}</dt><dd><b>{{ count(flag.hour) }}</b><small>/{{ count(flag.day) }}</small></dd>
      </dl>
    </section>
    <section class="tiles tasks">
      <h3><a v-if="may('see_tasks')" :href="'/calls?lang=' + lang">{{ t.tasks }}</a><span v-else>{{ t.tasks }}</span></h3>
      <dl v-for="kind in taskKinds" :key="kind" :class="{ violation: kind === 'overdue' && board.tasks[kind] > 0 }">
        <dt>{{ t['tasks_' + kind] }}</dt><dd><b>{{ count(board.tasks[kind]) }}</b></dd>
      </dl>
    </section>
    <div class="dots" v-if="board.shops.length > atOnce" aria-hidden="true"><i v-for="n in Math.ceil(board.shops.length / atOnce)" :key="n" :class="{ on: n - 1 === shopPage }"></i></div>
  </footer>
</div>`,
  components: { ReportStage, Links, Account, Figure },
  props: { first: Object, texts: Object, lang: String, places: Array },
  data() {
    return { board: this.first, me: null, lost: false, tick: 0, now: Date.now(), skew: 0, bumped: new Set(), narrow: false, rotating: new URLSearchParams(location.search).has("rotate") };
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
    columns() { return ["all", "platform"].flatMap((definition) => [[definition, "hour"], [definition, "day"]]); },
    crowded() { return (this.board.shops || []).filter((shop) => shop.service.waiting && shop.service.waiting.level !== "ok"); },
    atOnce() { return this.rotating ? 1 : this.narrow ? 1000 : SHOPS_AT_ONCE; },
    // which picture of the rotation it is: for each shop all scenes
    turn() { return Math.floor(this.tick / SCENE_SECONDS); },
    scene() { return this.rotating ? SCENES[this.turn % SCENES.length] : SCENES[0]; },
    shopPage() { return (this.rotating ? Math.floor(this.turn / SCENES.length) : Math.floor(this.tick / SHOP_SECONDS)) % Math.max(1, Math.ceil((this.board.shops || []).length / this.atOnce)); },
    shownShops() { return (this.board.shops || []).slice(this.shopPage * this.atOnce, (this.shopPage + 1) * this.atOnce); },
    teamPlaces() { return TEAMS; },
    taskKinds() { return ["open", "claimed", "overdue", "high", "revisit"]; },
    langHref() { return this.href({ lang: this.lang === "zh" ? "en" : "zh" }); },
    liveHref() { return this.href({ hour: null }); },
  },
  watch: {
    board: { handler(board, before) { this.sync(board); if (before) this.markChanges(board, before); } },
  },
  methods: {
    sync(board) { if (board.now_ms && !board.stale) this.skew = board.now_ms - Date.now(); },
    listen() {
      const query = new URLSearchParams([...new URLSearchParams(location.search)].filter(([key]) => key === "hour" || key === "shop_id"));
      if (this.source) this.source.close();
      this.heard = Date.now();
      this.source = new EventSource("/api/v1/wall/stream?" + query);
      this.source.addEventListener("board", (event) => { this.heard = Date.now(); this.lost = false; this.board = JSON.parse(event.data); });
      this.source.addEventListener("error", this.failed);
    },
    // the browser tries again by itself, unless it was told no
    async failed() {
      this.lost = true;
      if (this.source.readyState !== EventSource.CLOSED) return;
      await this.ask();
    },
    async ask() {
      const answer = await fetch("/api/v1/me").catch(() => null);
      if (answer && answer.status === 401) location.reload(); // which leads to the sign-in page
      if (answer && answer.ok) this.me = await answer.json();
    },
    may(what) { return !!this.me && this.me.may.includes(what); },
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
    say(key, values) { return filled(this.t[key] || key, values); },
    format(ms, options) { return new Intl.DateTimeFormat(this.locale, { timeZone: this.zone, hourCycle: "h23", ...options }).format(ms); },
    hm(ms) { return this.format(ms, { hour: "2-digit", minute: "2-digit" }); },
    count(n) { return n === null || n === undefined ? NONE : n.toLocaleString("en-US"); },
    money(fen) { return fen === null || fen === undefined ? NONE : yuan(fen); },
    percent(x) { return x === null || x === undefined ? NONE : (x * 100).toFixed(x >= 0.995 ? 0 : 1) + "%"; },
    ratio(x) { return x === null || x === undefined ? NONE : x.toFixed(2); },
    // by the amount where there is a target for it, else by orders
    share100(paid_fen, orders, target_fen, target_orders) { return target_fen ? Math.floor((paid_fen / target_fen) * 100) : target_orders ? Math.floor((orders / target_orders) * 100) : null; },
    reached(shop) { return this.share100(shop.hour.paid_fen, shop.hour.orders_paid, shop.target_fen, shop.target_orders); },
    teamReached(team) { return this.share100(team.paid_fen, team.orders_paid, team.target_fen, team.target_orders); },
    dayGoalText(shop) { const { paid_fen, orders_paid, target_fen, target_orders } = shop.day; const n = this.share100(paid_fen, orders_paid, target_fen, target_orders); return n === null ? "" : " · " + this.t.target + " " + n + "%"; },
    platformHours(shop) { const [from, to] = shop.service.platform_hours; return { from, to }; },
    platformWhy(shop) { return shop.service.in_platform_hours ? this.t.none_yet : this.say("platform_hours", this.platformHours(shop)); },
    platformHint(shop) { return shop.service.in_platform_hours ? this.t.none_yet_hint : this.say("platform_hours_hint", this.platformHours(shop)); },
    seconds(ms) { return ms === null || ms === undefined ? NONE : this.say("seconds", { n: (ms / 1000).toFixed(1) }); },
    duration(ms) { if (ms === null || ms === undefined) return NONE; const s = Math.floor(ms / 1000); return Math.floor(s / 60) + ":" + String(s % 60).padStart(2, "0"); },
    figureText(figure, figures) { return figure === "avg_response_ms" ? this.seconds(figures[figure]) : figure === "rate_3min" ? this.percent(figures[figure]) : this.count(figures[figure]); },
    withinTen(shop) { const { count, within_10s } = shop.service.hour.first_responses; return count ? within_10s / count : null; },
    mixText(shop) { const { presale, aftersale } = shop.service.served; const all = presale + aftersale; const n = all ? Math.round((presale / all) * 100) : 0; return all ? n + " : " + (100 - n) : NONE; },
    mixWeight(shop, side) { const { presale, aftersale } = shop.service.served; const all = presale + aftersale; return Math.min(0.78, Math.max(0.22, all ? shop.service.served[side] / all : 0.5)); },
    part(shop, n) { return (n / (shop.service.waiting.overload_at * 1.2)) * 100; },
    overloaded(shop, row) { return shop.service.waiting.agents.some((one) => one.agent_id === row.agent_id && one.is_overloaded); },
    crowdText(shop) { const { level, buyers, warning_at, overload_at } = shop.service.waiting; return this.say(level === "overload" ? "crowd_overload" : "crowd_busy", { shop: shop.shop_id, n: this.count(buyers), warning: this.count(warning_at), limit: this.count(overload_at) }); },
    // the big screen: full screen where the browser lets us, and no sleep
    async rotate() {
      this.rotating = !this.rotating; this.tick = 0;
      history.replaceState(null, "", this.href({ rotate: this.rotating ? "1" : null }));
      try { if (this.rotating) { await document.documentElement.requestFullscreen(); } else if (document.fullscreenElement) { await document.exitFullscreen(); } } catch { /* not allowed here */ }
      this.stayAwake();
    },
    async stayAwake() {
      try {
        if (this.rotating && !document.hidden) this.lock = await navigator.wakeLock.request("screen");
        else if (this.lock) { await this.lock.release(); this.lock = null; }
      } catch { /* not there, or on battery */ }
    },
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
      const [first, second] = shop.teams.map((team) => this.points(shop, team)).sort((x, y) => y - x);
      const n = shop.pk_basis === "orders" ? this.say("orders_paid_unit", { n: this.count(first - second) }) : apart(first, second);
      const left = shop.teams.length - TEAMS;
      return " · " + (first === second ? this.t.tied : this.say("lead", { n })) + (left > 0 ? " · " + this.say("teams_more", { n: left }) : "");
    },
    resize() { this.narrow = window.matchMedia("(max-width: 1099px)").matches; },
  },
  mounted() {
    document.documentElement.lang = this.locale;
    this.sync(this.board);
    this.resize();
    window.addEventListener("resize", this.resize);
    document.addEventListener("visibilitychange", this.stayAwake);
    this.stayAwake();
    this.ask();
    if (this.board.status !== "bad_hour") this.listen();
    this.timer = setInterval(() => {
      this.now = Date.now(); this.tick += 1;
      if (this.source && this.now - this.heard > SILENT_MS) { this.lost = true; this.listen(); }
    }, 1000);
  },
  unmounted() {
    clearInterval(this.timer);
    if (this.source) this.source.close();
    window.removeEventListener("resize", this.resize);
    document.removeEventListener("visibilitychange", this.stayAwake);
  },
};
