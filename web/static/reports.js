// The reports on the hour: past ones by day, one large, spoken, on the full screen; made by hand. Reads and writes by the API alone.
import { desk } from "/static/desk.js";
import { ReportSheet, SpeakSwitch, speaking } from "/static/report_sheet.js";

const PAGE = 60;
const FRESH_MS = 600_000; // older ones are no news to speak of
const HOLD_MS = 60_000; // as long may one that was made by hand take to be read
const HOUR_MS = 3_600_000;

export default {
  components: { ReportSheet, SpeakSwitch },
  template: `
<div class="desk reports" :data-state="state">
  <Bar :desk="self" :title="t.reports"><SpeakSwitch :state="speakState" :texts="t" @toggle="toggleSpeak"></SpeakSwitch></Bar>
  <div class="banner warn" role="status" v-if="speakState === 'gesture' || speakState === 'voiceless'">{{ t['reports_speak_' + speakState] }}</div>
  <div class="columns">
    <section class="queue" :aria-label="t.reports_list">
      <div class="filters">
        <label><span>{{ t.reports_shop }}</span><select v-model="shop" @change="reload" data-facet="shop"><option value="">{{ t.all }}</option><option v-for="one in shops" :key="one" :value="one">{{ one }}</option></select></label>
        <label><span>{{ t.reports_kind }}</span><select v-model="kind" @change="reload" data-facet="kind"><option value="">{{ t.all }}</option><option value="hour">{{ t.reports_kind_hour }}</option><option value="day">{{ t.reports_kind_day }}</option></select></label>
        <label class="wide"><span>{{ t.reports_until }}</span><input type="date" v-model="until" @change="reload" data-facet="until"></label>
      </div>
      <div class="list" ref="list" role="listbox" tabindex="0" :aria-label="t.reports_list" :aria-activedescendant="current ? domId(current) : null">
        <div role="group" v-for="day in days" :key="day.day" :aria-label="day.day"><h3 role="presentation" aria-hidden="true">{{ day.day }}</h3>
          <ol role="presentation"><li v-for="row in day.rows" :key="row.report_id" :id="domId(row)" role="option" :aria-selected="isCurrent(row)" :class="row.kind" :data-report-row="row.report_id" @click="open(row)">
            <b>{{ row.kind === 'day' ? t.reports_kind_day : hourText(row) }} <em v-if="row.made_by">{{ row.made_by }}</em></b><span class="num">{{ yuan(row.paid_amount) }}</span>
            <span class="agent">{{ row.shop_id }}</span><small><span v-if="row.post.status !== 'none'" :class="'post ' + row.post.status">{{ t['reports_post_' + row.post.status] }}</span> <span v-if="row.reached_amount !== null" :class="{ done: row.reached_amount >= 100 }">{{ row.reached_amount }}%</span></small>
          </li></ol>
        </div>
      </div>
      <button v-if="cursor" @click="older" :disabled="paging">{{ t.reports_older }}</button>
      <div class="empty" v-if="ready && !rows.length"><b>{{ filtered ? t.reports_none_found : t.reports_empty }}</b><p v-if="!filtered">{{ t.reports_empty_hint }}</p></div>
    </section>

    <section class="show" :aria-label="t.reports">
      <div class="tools">
        <template v-if="current"><button @click="full" data-does="full">{{ t.reports_full }} <kbd>F</kbd></button><button @click="say1" data-does="speak">{{ speaksNow ? t.reports_hush : t.reports_speak }} <kbd>S</kbd></button></template>
        <form v-if="may('announce')" @submit.prevent="announce">
          <label><span>{{ t.reports_shop }}</span><select v-model="whose" required data-announce="shop"><option v-for="one in shops" :key="one" :value="one">{{ one }}</option></select></label>
          <label><span>{{ t.reports_now }}</span><select v-model="what" data-announce="what"><option value="this_hour">{{ t.reports_this_hour }}</option><option value="last_hour">{{ t.reports_last_hour }}</option><option value="today">{{ t.reports_today }}</option></select></label>
          <label class="check" v-if="robots"><input type="checkbox" v-model="post"><span>{{ t.reports_post }}</span></label>
          <button class="claim" :disabled="busy || !whose" data-does="announce">{{ t.reports_announce }}</button>
        </form>
        <p class="state" role="status" aria-live="polite">{{ message }}</p>
      </div>
      <div class="sheet-box" ref="box" v-if="current"><ReportSheet :report="shown" :texts="t" :lang="lang"></ReportSheet></div>
      <p class="note post" v-if="current && current.post.error">{{ t['reports_post_' + current.post.status] }}{{ t.colon }}{{ current.post.error }}</p>
      <p class="keys" v-if="current">{{ t.reports_keys }}</p>
    </section>
  </div>
</div>`,
  mixins: [desk, speaking],
  row: { id: "report_id", status: "kind", holder: "made_by", path: "/api/v1/reports/", draft: {} },
  data() { return { shop: "", kind: "", until: "", cursor: null, more: [], standing: null, robots: 0, whose: "", what: "this_hour", post: false, made: [] }; },
  computed: {
    filtered() { return !!(this.shop || this.kind || this.until); },
    shops() { return [...new Set([...this.agents.values()].map((agent) => agent.shop_id).concat(this.rows.map((row) => row.shop_id)))].sort(); },
    shown() { return { ...this.current, standing: this.standing }; },
    days() {
      const days = [];
      for (const row of this.rows) {
        const day = row.starts_at.slice(0, 10);
        if (!days.length || days[days.length - 1].day !== day) days.push({ day, rows: [] });
        days[days.length - 1].rows.push(row);
      }
      return days;
    },
  },
  watch: { shops(shops) { if (!this.whose && shops.length) this.whose = shops[0]; } },
  created() { this.known = null; this.doubted = false; }, // whether one was asked for by hand and got no answer
  methods: {
    yuan: ReportSheet.methods.yuan,
    hourText(row) { const until = row.as_of.slice(11, 16); return row.starts_at.slice(11, 16) + "–" + (until === "00:00" ? "24:00" : until); },
    titleOf(row) { return row.title[this.lang]; },
    belongs(row) { return (!this.shop || row.shop_id === this.shop) && (!this.kind || row.kind === this.kind); },
    query(more) {
      const query = new URLSearchParams({ limit: PAGE });
      for (const [name, value] of Object.entries({ shop_id: this.shop, kind: this.kind, ...more })) if (value) query.set(name, value);
      // the end of that day in the zone in which the page shows times
      if (this.until && !more) { const sample = this.rows[0] || this.current; query.set("until", this.instant(this.until + "T23:59:59", sample && sample.as_of)); }
      return "/api/v1/reports?" + query;
    },
    async load() {
      const page = await this.read(this.query());
      return async () => {
        this.robots = page.robots;
        if (!this.more.length) this.cursor = page.next_cursor;
        const ids = new Set(page.reports.map((row) => row.report_id));
        this.made = this.made.filter((one) => !ids.has(one.report.report_id) && Date.now() < one.until);
        const held = this.until ? [] : this.made.map((one) => one.report);
        const top = [...held, ...page.reports];
        this.news(top);
        const all = new Set(top.map((row) => row.report_id));
        await this.arrived([...top, ...this.more.filter((row) => !all.has(row.report_id))]);
      };
    },
    // whoever looks at the newest one is shown, and told, what comes after it
    news(rows) {
      const known = this.known;
      this.known = new Set(rows.map((row) => row.report_id).concat(known ? [...known] : []));
      if (!known) return;
      const fresh = rows.filter((row) => !known.has(row.report_id) && this.belongs(row) && Date.now() - Date.parse(row.made_at) < FRESH_MS);
      if (!fresh.length) return;
      const newest = fresh[0], mine = this.doubted && fresh.some((row) => row.made_by === this.name);
      if (!this.current || (this.rows.length && this.isCurrent(this.rows[0]))) this.open(newest);
      if (mine) { this.doubted = false; this.message = this.t.reports_announced; }
      if (this.speakOn) this.speak(fresh.reverse().map((row) => row.speech[this.lang]).join(" "));
    },
    async older() {
      this.paging = true;
      try {
        const page = await this.read(this.query({ cursor: this.cursor }));
        this.more.push(...page.reports); this.cursor = page.next_cursor;
        await this.arrived([...this.rows, ...page.reports]);
      } catch (error) { this.failed(error); } finally { this.paging = false; }
    },
    async reload() { this.more = []; this.cursor = null; await desk.methods.reload.call(this); },
    open(row) { if (!this.isCurrent(row)) { this.standing = null; this.lookedAt = 0; } desk.methods.open.call(this, row); },
    // how the same hour stands now; the report itself stays as it was announced
    async look(row) {
      if (Date.now() - this.lookedAt < 30_000) return;
      this.lookedAt = Date.now();
      try { const now = await this.read(this.pathOf(row)); if (this.isCurrent(row)) this.standing = now.standing; }
      catch (error) { if (error.status !== 404) this.failed(error); } // just made by hand
    },
    async full() {
      try { await this.$refs.box.requestFullscreen(); } catch { this.message = this.t.reports_full_failed; }
    },
    say1() { if (this.speaksNow) this.hush(); else this.speak(this.current.speech[this.lang]); },
    async announce() {
      if (this.busy) return;
      this.busy = true; this.message = "";
      const body = { shop_id: this.whose, kind: this.what === "today" ? "day" : "hour", post: this.post && !!this.robots };
      if (this.me && !this.me.name) body.actor = this.name || null;
      if (this.what === "last_hour") body.hour = new Date(Date.now() - HOUR_MS).toISOString();
      try {
        if (body.actor === null) { this.message = this.t.need_name; return; }
        const answer = await this.ask("/api/v1/reports", body);
        const said = await answer.json().catch(() => null);
        this.doubted = answer.status >= 500;
        if (!answer.ok || !said) { this.message = answer.status === 404 ? this.t.reports_no_figures : answer.status === 403 ? this.t.forbidden : (said && answer.status < 500 && this.detailText(said.detail)) || this.t.failed; return; }
        this.made.unshift({ report: said, until: Date.now() + HOLD_MS });
        this.turn++; // a poll under way does not know of it
        if (this.known) this.known.add(said.report_id);
        if (this.belongs(said)) { this.rows = [said, ...this.rows]; }
        this.open(said);
        this.message = body.post ? this.t.reports_announced_post : this.t.reports_announced;
        if (this.speakOn) this.speak(said.speech[this.lang]);
      } catch (error) { this.message = this.t.failed; this.doubted = error.status !== 401; } finally { this.busy = false; }
    },
    key(event) {
      if (!this.isCommand(event)) return;
      const does = this.moves(event) || (!event.repeat && this.current && { f: () => (document.fullscreenElement ? document.exitFullscreen() : this.full()), s: () => this.say1() }[event.key.toLowerCase()]);
      if (does) { event.preventDefault(); does(); }
    },
  },
};
