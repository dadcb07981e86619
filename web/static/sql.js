// The SQL page: tables and named queries on the left, the editor above what came of it. Reads by the API alone.
import { Bar, desk } from "/static/desk.js";
import { Editor } from "/static/sql_editor.js";
import { Chart, Grid, guess, instantOf, resultOf, tsvOf, wallAt } from "/static/sql_result.js";

const RETRY_MS = 5000;
const TICK_MS = 100;
const KEPT = 50;
const HISTORY = "zhengdian.sql.history:"; // and whose it is: the next person at this desk must not read it
const DRAFT = "zhengdian.sql.draft:";
const FIRST = "best_agents";
const PANES = ["queries", "tables", "history"];
const DOWNLOADS = { CSV: ["CSVWithNames", "csv"], JSON: ["JSONEachRow", "jsonl"], Parquet: ["Parquet", "parquet"] };
const FORMAT = "JSONCompactStrings"; // texts: a browser's numbers would round a 64-bit id
const MANY = 200_000; // characters of a text that are shown

// placeholders {name:Type} of a statement, each once, in their order
export function placeholders(sql) {
  const bare = sql.replace(/'(?:[^'\\]|\\.|'')*'|`[^`]*`|"[^"]*"|--[^\n]*|\/\*[\s\S]*?\*\//g, (quoted) => (/^['`"]/.test(quoted) ? quoted.replace(/[{}]/g, " ") : " "));
  const found = new Map();
  for (const [, name, type] of bare.matchAll(/\{\s*(\w+)\s*:\s*([^{}]+?)\s*\}/g)) found.set(name, found.get(name) || type);
  return [...found].map(([name, type]) => ({ name, type }));
}

const { say, may, ask, read, detailText, keepName, failed } = desk.methods;

export default {
  components: { Bar, Editor, Grid, Chart },
  template: `
<div class="desk sql" :data-state="state" :data-run="runState">
  <Bar :desk="self" :title="t.sql_heading"><span class="limits" v-if="schema">{{ limitsText }}</span></Bar>
  <p class="empty" v-if="!schema">{{ t.loading }}</p>
  <div class="panes" v-else>
    <aside class="side" :aria-label="t.sql_aside">
      <button class="fold" @click="unfolded = !unfolded" :aria-expanded="unfolded">{{ t.sql_aside }}</button>
      <div class="folded" :class="{ open: unfolded }">
        <div class="tabs"><button v-for="one in panes" :key="one" :aria-pressed="pane === one" @click="pane = one" :data-pane="one">{{ t['sql_' + one] }}</button></div>
        <input type="search" v-model.trim="wanted" :placeholder="t.sql_search" :aria-label="t.sql_search" v-if="pane !== 'history'">
        <ul class="found" v-if="pane === 'queries'">
          <li v-for="one in foundQueries" :key="one.name"><button class="pick" :aria-current="named && named.name === one.name" @click="open(one)" :data-query="one.name"><b>{{ titleOf(one) }}</b><small>{{ one.name }}</small></button></li>
        </ul>
        <ul class="found" v-else-if="pane === 'tables'">
          <li v-for="table in foundTables" :key="table.name">
            <details :open="!!wanted" :data-table="table.name">
              <summary><b>{{ table.name }}</b><small v-if="table.rows !== null">{{ say('sql_about_rows', { n: count(table.rows) }) }}</small></summary>
              <p class="note">{{ table.comment }}</p>
              <p class="hand"><button class="link" @click="insert(table.name)">{{ t.sql_insert }}</button><button class="link" @click="browse(table)">{{ t.sql_browse }}</button></p>
              <ul class="cols"><li v-for="column in table.columns" :key="column.name"><button class="pick" @click="insert(column.name)" :title="t.sql_insert" :data-column="column.name"><b>{{ column.name }}</b> <i>{{ column.type }}</i><small>{{ column.comment }}</small></button></li></ul>
            </details>
          </li>
        </ul>
        <ul class="found" v-else>
          <li v-for="(one, at) in past" :key="one.at + at"><button class="pick" @click="recall(one)" data-past><b>{{ headOf(one.sql) }}</b><small>{{ pastText(one) }}</small></button></li>
          <li v-if="past.length"><button class="link" @click="forget">{{ t.sql_forget }}</button></li>
        </ul>
        <p class="empty" v-if="nothingFound">{{ t.sql_nothing }}</p>
      </div>
    </aside>

    <main>
      <section class="ask" :aria-label="t.sql_heading">
        <h2 v-if="named">{{ titleOf(named) }} <small>{{ lang === 'zh' ? named.about_zh : named.about_en }}</small></h2>
        <p class="from-link" role="status" v-if="fromLink">{{ t.sql_from_link }}</p>
        <Editor ref="editor" v-model="text" :label="t.sql_statement" :words="words" :mark="mark" @run="run"></Editor>
        <div class="fields" v-if="fields.length">
          <label v-for="field in fields" :key="field.name" :title="field.name + ' ' + field.type"><span>{{ field.label }}</span>
            <select v-if="field.type === 'Bool'" v-model="values[field.name]" :data-param="field.name"><option value="true">true</option><option value="false">false</option></select>
            <input v-else v-model="values[field.name]" :type="field.input" :step="field.input === 'datetime-local' ? 1 : null" :list="field.list" :data-param="field.name" :placeholder="field.array ? t.sql_array : null" @keydown.ctrl.enter.prevent="run" @keydown.enter.exact.prevent="run">
          </label>
          <datalist id="sql-shop_id"><option v-for="shop in shops" :key="shop" :value="shop"></option></datalist>
          <datalist id="sql-agent_id"><option v-for="agent in agents" :key="agent.shop_id + agent.agent_id" :value="agent.agent_id">{{ agent.name }}</option></datalist>
        </div>
        <div class="controls">
          <button class="go" @click="run" :disabled="!!running || !text.trim()">{{ t.sql_run }} <kbd>Ctrl</kbd><kbd>Enter</kbd></button>
          <button class="halt" @click="stop" v-if="running">{{ t.sql_stop }}</button>
          <span class="told" role="status" aria-live="polite">{{ statusText }}</span>
          <button class="link" @click="share">{{ t.sql_share }}</button>
        </div>
      </section>

      <section class="answer" :aria-label="t.sql_result" :aria-busy="!!running">
        <div class="problem" role="alert" v-if="problem">
          <b>{{ problem.title }}</b>
          <p v-if="problem.hint">{{ problem.hint }}</p>
          <p v-if="problem.place"><button class="link" @click="point">{{ problem.place }}</button></p>
          <pre v-if="problem.raw">{{ problem.raw }}</pre>
        </div>
        <template v-else-if="result">
          <div class="tools">
            <div class="tabs"><button :aria-pressed="view === 'grid'" @click="view = 'grid'" data-view="grid">{{ t.sql_grid }}</button><button :aria-pressed="view === 'chart'" @click="view = 'chart'" :disabled="!start" :title="start ? null : t.sql_no_chart" data-view="chart">{{ t.sql_chart }}</button></div>
            <span class="note" v-if="hasTimes">{{ say('sql_zone', { zone: schema.timezone }) }}</span>
            <button class="link" @click="copy">{{ t.sql_copy }}</button>
            <button class="link" v-for="(_, kind) in downloads" :key="kind" @click="download(kind)" :disabled="!!running" :data-download="kind">{{ kind }} ↓</button>
          </div>
          <Grid v-if="view === 'grid'" :result="result" :t="t"></Grid>
          <Chart v-else :key="turn" :result="result" :t="t" :start="start"></Chart>
        </template>
        <template v-else-if="plain">
          <div class="tools"><span class="note">FORMAT {{ plain.format }}</span><button class="link" @click="save(plain.blob, 'result.' + plain.format.toLowerCase())">{{ t.sql_save }}</button></div>
          <pre class="plain-text" tabindex="0">{{ plain.text === null ? t.sql_binary : plain.text }}</pre>
        </template>
        <p class="empty" v-else><template v-if="running">{{ t.sql_running }}</template><template v-else><span class="roomy">{{ t.sql_hint }}</span><span class="small">{{ t.sql_hint_small }}</span></template></p>
      </section>
    </main>
  </div>
</div>`,
  props: { texts: Object, lang: String, places: Array },
  data() {
    return {
      me: null, actor: "", toast: "", trouble: "", failure: "", schema: null, queries: [], agents: [], shops: [],
      pane: "queries", wanted: "", unfolded: false, past: [], text: "", values: {}, fromLink: false, mark: null,
      running: null, elapsed: 0, message: "", problem: null, result: null, plain: null, ran: null, view: "grid", turn: 0,
    };
  },
  computed: {
    self() { return this; },
    t() { return this.texts; },
    panes: () => PANES,
    downloads: () => DOWNLOADS,
    state() { return this.schema ? "ready" : this.trouble || this.failure ? "trouble" : "loading"; },
    runState() { return this.running ? "running" : this.problem ? "failed" : this.result || this.plain ? "done" : "idle"; },
    limitsText() { const { seconds, rows, memory_bytes } = this.schema.limits; return this.say("sql_limits", { seconds, rows: this.count(rows), gib: memory_bytes / 2 ** 30 }); },
    named() { return this.queries.find((query) => query.sql.trim() === this.text.trim()) || null; },
    fields() { return placeholders(this.text).map((one) => this.fieldOf(one)); },
    start() { return this.result && guess(this.result); },
    hasTimes() { return this.result.columns.some((column) => column.kind === "time"); },
    foundQueries() { return this.queries.filter((query) => this.fits(query.name, query.title_en, query.title_zh, query.about_en, query.about_zh)); },
    foundTables() {
      return this.schema.tables.filter((table) => this.fits(table.name, table.comment, ...table.columns.map((column) => column.name + " " + column.comment)));
    },
    nothingFound() { return !{ queries: this.foundQueries, tables: this.foundTables, history: this.past }[this.pane].length; },
    words() {
      const tables = this.schema.tables.map((table) => ({ label: table.name, type: "class", detail: table.kind, info: table.comment }));
      const columns = new Map(this.schema.tables.flatMap((table) => table.columns.map((column) => [column.name, { label: column.name, type: "property", detail: column.type, info: column.comment }])));
      return [...tables, ...columns.values()];
    },
    statusText() {
      if (this.running) return this.say("sql_elapsed", { s: (this.elapsed / 1000).toFixed(1) });
      if (this.message || this.problem) return this.message;
      return this.ran && (this.result || this.plain) ? this.say(this.result ? "sql_done" : "sql_done_plain", { rows: this.result ? this.count(this.result.rows.length) : "", ms: this.count(this.ran.ms), query: this.count(this.ran.query) }) : "";
    },
  },
  watch: {
    text() { this.keep(); if (this.ready) { this.mark = null; this.fromLink = false; } },
    values: { deep: true, handler() { this.keep(); } },
    fields() { this.fill(); },
  },
  async mounted() {
    document.documentElement.lang = this.lang === "zh" ? "zh-CN" : "en";
    this.timer = setInterval(() => { if (!this.schema && !this.loading) this.load(); }, RETRY_MS);
    await this.load();
  },
  unmounted() { clearInterval(this.timer); this.stop(); },
  methods: {
    say, may, ask, read, detailText, keepName, failed,
    count(number) { return Number(number).toLocaleString("en-US"); },
    titleOf(query) { return this.lang === "zh" ? query.title_zh : query.title_en; },
    fits(...texts) { const wanted = this.wanted.toLowerCase(); return texts.some((text) => text.toLowerCase().includes(wanted)); },
    headOf(sql) { const query = this.queries.find((one) => one.sql === sql); return query ? this.titleOf(query) : sql.trim().split("\n")[0].slice(0, 80); },
    pastText(one) { const at = wallAt(one.at, this.schema.timezone).slice(5); return one.rows === undefined ? at : at + " · " + this.say("sql_rows", { rows: this.count(one.rows) }); },

    // --- what there is
    async load() {
      this.loading = true;
      try {
        this.me = await this.read("/api/v1/me");
        const [schema, queries, agents] = await Promise.all(["sql/tables", "sql/queries", "agents"].map((path) => this.read("/api/v1/" + path)));
        this.queries = queries.queries;
        this.agents = agents.agents;
        this.shops = [...new Set(this.agents.map((agent) => agent.shop_id))].sort();
        this.past = this.stored(localStorage, HISTORY + this.me.name, []);
        this.schema = schema;
        this.trouble = ""; this.failure = "";
        this.begin();
      } catch (error) { this.failed(error); } finally { this.loading = false; }
    },
    // from a link, else what was there before a reload, else the first query; nothing runs by itself
    begin() {
      const asked = new URLSearchParams(location.search);
      const linked = new URLSearchParams(location.hash.slice(1)).get("sql") || asked.get("sql");
      const query = this.queries.find((one) => one.name === asked.get("query"));
      const values = Object.fromEntries([...asked].filter(([key]) => key.startsWith("param_")).map(([key, value]) => [key.slice(6), value]));
      const draft = this.stored(sessionStorage, DRAFT + this.me.name, null);
      if (linked || query) {
        this.values = values;
        this.text = query && !linked ? query.sql : linked;
        this.$nextTick(() => { this.fromLink = !!linked; });
        history.replaceState(null, "", "?lang=" + this.lang); // a reload keeps what has been typed since
      } else if (draft) Object.assign(this, draft);
      else this.open(this.queries.find((one) => one.name === FIRST));
      this.$nextTick(() => { this.ready = true; });
    },
    stored(store, key, otherwise) { try { return JSON.parse(store.getItem(key)) ?? otherwise; } catch { return otherwise; } },
    store(store, key, value) { try { store.setItem(key, JSON.stringify(value)); } catch { /* no room: it is still on the page */ } },
    keep() { if (this.ready) this.store(sessionStorage, DRAFT + this.me.name, { text: this.text, values: this.values }); },

    // --- the statement and its values
    open(query) { this.replace(query.sql); this.unfolded = false; },
    browse(table) { this.replace("SELECT *\nFROM " + table.name + "\nLIMIT 100"); this.unfolded = false; },
    recall(one) { this.replace(one.sql); this.values = { ...this.values, ...one.values }; this.unfolded = false; },
    // what somebody has typed and not run is not lost
    replace(text) {
      if (this.text.trim() && !this.named && !this.past.some((one) => one.sql === this.text)) this.remember();
      this.text = text;
    },
    insert(name) { this.$refs.editor.insert(name); },
    fieldOf({ name, type }) {
      const known = this.named && this.named.parameters.find((one) => one.name === name);
      const bare = type.replace(/^(?:Nullable|LowCardinality)\((.*)\)$/, "$1");
      const input = /^DateTime/.test(bare) ? "datetime-local" : /^Date/.test(bare) ? "date" : "text";
      return { name, type: bare, input, array: /^Array\((.*)\)$/.exec(bare), list: /^(shop|agent)_id$/.test(name) ? "sql-" + name : null, label: known ? (this.lang === "zh" ? known.zh : known.en) : name, start: known ? known.default : "" };
    },
    // fields that nobody has filled in yet
    fill() {
      const now = wallAt(Date.now(), this.schema.timezone);
      const starts = { day: now.slice(0, 10) + "T00:00:00", hour: now.slice(0, 13).replace(" ", "T") + ":00:00" };
      for (const field of this.fields) {
        const value = this.values[field.name];
        if (field.input === "datetime-local" && value) this.values[field.name] = value.replace(" ", "T");
        if (value === undefined) this.values[field.name] = field.name === "shop_id" ? this.shops[0] || "" : field.input === "datetime-local" ? starts[field.start] || starts.day : field.start || (field.type === "Bool" ? "true" : "");
      }
    },
    valueOf(field) {
      const text = this.values[field.name] ?? "";
      if (field.array) {
        const figures = /^U?Int|^Float|^Decimal/.test(field.array[1]);
        return text.split(/[,，]/).map((one) => one.trim()).filter(Boolean).map((one) => (figures && Number.isFinite(Number(one)) ? Number(one) : one));
      }
      if (field.input !== "datetime-local" || !text) return text;
      const seconds = Math.floor(instantOf(text.length === 16 ? text + ":00" : text.slice(0, 19), this.schema.timezone) / 1000);
      return field.type.startsWith("DateTime64") ? seconds + ".000" : String(seconds);
    },
    parameters() { return Object.fromEntries(this.fields.map((field) => [field.name, this.valueOf(field)])); },

    // --- running
    async run() {
      if (this.running || !this.text.trim()) return;
      this.fromLink = false;
      const sql = this.text;
      const answer = await this.send(sql, FORMAT);
      this.result = null; this.plain = null; // what is shown is never of another statement
      if (!answer) return;
      if (answer.format === FORMAT) {
        this.result = resultOf(JSON.parse(await answer.blob.text()), { shop: this.schema.timezone, server: this.schema.server_timezone });
        if (!this.start) this.view = "grid";
        this.turn++;
      } else {
        const text = answer.kind.startsWith("text/") || answer.kind.startsWith("application/json");
        this.plain = { format: answer.format, blob: answer.blob, text: text ? (await answer.blob.text()).slice(0, MANY) : null };
      }
      this.remember(this.result ? this.result.rows.length : undefined);
    },
    // the answer, or null with what is wrong told
    async send(sql, format) {
      const aborter = new AbortController();
      const since = performance.now();
      this.running = { aborter }; this.elapsed = 0; this.message = ""; this.problem = null; this.mark = null;
      const tick = setInterval(() => { this.elapsed = performance.now() - since; }, TICK_MS);
      try {
        const answer = await fetch("/api/v1/sql", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ sql, format, parameters: this.parameters() }), signal: aborter.signal });
        this.trouble = answer.status === 401 ? "signed_out" : "";
        const blob = await answer.blob();
        if (answer.ok) {
          this.ran = { ms: Math.round(performance.now() - since), query: Math.round(Number(((answer.headers.get("server-timing") || "").match(/dur=([\d.]+)/) || [])[1] || 0)) };
          return { blob, format: answer.headers.get("x-clickhouse-format"), kind: answer.headers.get("content-type") };
        }
        const said = JSON.parse(await blob.text().catch(() => "{}") || "{}");
        this.refused(sql, answer.status, said);
      } catch (error) {
        if (error.name === "AbortError") this.message = this.t.sql_stopped;
        else this.problem = { title: this.t.sql_unreachable };
      } finally { clearInterval(tick); this.running = null; }
      return null;
    },
    stop() { if (this.running) this.running.aborter.abort(); },
    refused(sql, status, said) {
      const raw = this.detailText(said.detail);
      const title = status === 400 ? this.t.sql_failed : status === 403 ? this.t.forbidden : status === 429 ? this.t.sql_too_often : status === 503 ? this.t.sql_unavailable : status === 401 ? this.t.signed_out : this.t.sql_failed;
      this.problem = { title, hint: this.t["sql_code." + said.code] || "", raw };
      if (said.position === null || said.position === undefined) return;
      const before = Array.from(sql).slice(0, said.position).join(""); // the API counts characters, not UTF-16 units
      const word = /^(\w+|'[^']*'|.)?/su.exec(sql.slice(before.length))[0];
      const from = Math.min(before.length, Math.max(sql.length - 1, 0));
      const lines = before.split("\n");
      this.problem.place = this.say("sql_place", { line: lines.length, column: Array.from(lines[lines.length - 1]).length + 1 });
      this.mark = { from, to: Math.max(from + 1, before.length + word.length) };
    },
    point() { this.mark = { ...this.mark }; this.$refs.editor.focus(); },

    // --- what to do with it
    remember(rows) {
      const one = { sql: this.text, values: { ...this.values }, at: Date.now(), rows };
      this.past = [one, ...this.past.filter((other) => other.sql !== one.sql || JSON.stringify(other.values) !== JSON.stringify(one.values))].slice(0, KEPT);
      this.store(localStorage, HISTORY + this.me.name, this.past);
    },
    forget() { this.past = []; this.store(localStorage, HISTORY + this.me.name, []); },
    async copy() { this.message = (await this.toClipboard(tsvOf(this.result))) ? this.t.sql_copied : this.t.failed; },
    async share() {
      const values = new URLSearchParams({ lang: this.lang, ...(this.named ? { query: this.named.name } : {}), ...Object.fromEntries(this.fields.map((field) => ["param_" + field.name, this.values[field.name] ?? ""])) });
      const link = location.origin + location.pathname + "?" + values + (this.named ? "" : "#" + new URLSearchParams({ sql: this.text }));
      this.message = (await this.toClipboard(link)) ? this.t.sql_shared : link;
    },
    // browsers give the clipboard to pages on HTTPS or the own machine only
    async toClipboard(text) {
      try { await navigator.clipboard.writeText(text); return true; } catch { /* the old way, then */ }
      const field = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(field);
      field.select();
      const done = document.execCommand("copy");
      field.remove();
      return done;
    },
    async download(kind) {
      const [format, ending] = DOWNLOADS[kind];
      const answer = await this.send(this.text, format);
      if (answer) this.save(answer.blob, (this.named ? this.named.name : "zhengdian") + "." + ending);
    },
    save(blob, name) {
      const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    },
  },
};
