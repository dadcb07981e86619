// The access log: who saw and did what, newest first. Reads by the API alone (web/audit.py).
import { desk } from "/static/desk.js";

const PAGE = 100;
const MOST = 500; // rows that the API gives at once
const TYPES = ["signed_in", "sign_in_refused", "signed_out", "seen", "queried", "exported", "sent", "refused"];
const SHOWN_BUYERS = 8;
const LINES = 3; // of a detail that are shown at first
const LONG = 160; // as many signs may not fit into them

export default {
  template: `
<div class="desk audit" :data-state="state">
  <Bar :desk="self" :title="t.audit"><span class="count" role="status">{{ ready ? say('audit_count', { n: rows.length + (left ? '+' : '') }) : '…' }}</span></Bar>
  <form class="sieve" @submit.prevent="again">
    <label v-for="field in ['actor', 'buyer_id']" :key="field"><span>{{ t['audit_' + field] }}</span><input v-model.trim="filters[field]" @change="again" maxlength="256" :data-filter="field" autocomplete="off"></label>
    <label><span>{{ t.audit_type }}</span><select v-model="filters.type" @change="again" data-filter="type"><option value="">{{ t.all }}</option><option v-for="one in types" :key="one" :value="one">{{ t['audit_type.' + one] }}</option></select></label>
    <label v-for="field in ['since', 'until']" :key="field"><span>{{ t['audit_' + field] }}</span><input type="datetime-local" v-model="filters[field]" @change="again" :data-filter="field"></label>
  </form>
  <div class="sheet" tabindex="0" role="region" :aria-label="t.audit">
    <table v-if="rows.length">
      <thead><tr><th v-for="one in ['time', 'actor', 'type', 'what', 'buyers', 'detail', 'address']" :key="one" scope="col">{{ t['audit_' + one] }}</th></tr></thead>
      <tbody><tr v-for="row in rows" :key="row.event_id" :class="row.type.slice(7)" :data-entry="row.type">
        <td><time :datetime="row.time">{{ timeText(row.time) }}</time></td>
        <td><b>{{ row.actor ? personText(row.actor) : t.audit_nobody }}</b> <small>{{ whoText(row) }}</small></td>
        <td>{{ t['audit_type.' + row.type] || row.type }}</td>
        <td>{{ whatText(row) }} <small v-if="row.target_id">{{ row.target_id }}</small></td>
        <td><template v-if="row.buyer_ids.length">{{ row.shop_id }} · {{ buyersText(row) }}</template></td>
        <td class="detail"><button v-if="isLong(row.detail)" class="text" :aria-expanded="opened.has(row.event_id)" :title="opened.has(row.event_id) ? t.audit_less : t.audit_all" @click="toggle(row)"><span :class="{ clamped: !opened.has(row.event_id) }">{{ row.detail }}</span></button><template v-else>{{ detailText(row) }}</template></td>
        <td>{{ row.address }}</td>
      </tr></tbody>
    </table>
    <button class="more" v-if="left && limit < most" @click="more">{{ t.audit_more }}</button>
    <p class="note" v-else-if="left">{{ say('audit_full', { n: rows.length }) }}</p>
    <p class="empty" v-if="!ready && !trouble && !failure">{{ t.loading }}</p>
    <div class="empty" v-if="ready && !rows.length"><b>{{ t.audit_empty }}</b><p>{{ t.audit_empty_hint }}</p></div>
  </div>
</div>`,
  mixins: [desk],
  row: { id: "event_id", path: "/api/v1/access-log/", draft: {} },
  data() { return { filters: { actor: "", buyer_id: "", type: "", since: "", until: "" }, limit: PAGE, left: false, opened: new Set() }; },
  computed: {
    types() { return TYPES.map((type) => "access." + type); },
    most() { return MOST; },
  },
  methods: {
    whoText(row) { return [this.personText(row.actor) === row.actor ? "" : row.actor, ...row.roles.map((role) => this.t["role." + role] || role), this.t["audit_by." + row.recognised_by]].filter((part) => part).join(" · "); },
    // of a query it is the format of the answer: told where somebody has taken a file away
    whatText(row) {
      if (row.type !== "access.queried") return this.t["audit_what." + row.what] ?? row.what;
      return this.t.audit_query + (/^JSON/.test(row.what) ? "" : " · " + row.what.replace(/WithNames(AndTypes)?$/, ""));
    },
    // what somebody is called who signed in is told already
    detailText(row) { return row.detail === this.personText(row.actor) ? "" : row.detail; },
    isLong(text) { return text.length > LONG || text.split("\n").length > LINES; },
    toggle(row) { if (!this.opened.delete(row.event_id)) this.opened.add(row.event_id); },
    buyersText(row) {
      const shown = this.listText(row.buyer_ids.slice(0, SHOWN_BUYERS));
      return row.buyer_ids.length > SHOWN_BUYERS ? shown + " … " + this.say("audit_and", { n: row.buyer_ids.length }) : shown;
    },
    async load() {
      const query = new URLSearchParams({ limit: this.limit });
      for (const [name, value] of Object.entries(this.filters)) {
        if (value) query.set(name, name === "since" || name === "until" ? this.instant(value, this.zone) : value);
      }
      const page = await this.read("/api/v1/access-log?" + query);
      return () => {
        this.rows = page.entries; this.left = page.next_cursor !== null;
        if (page.entries.length) this.zone = page.entries[0].time;
      };
    },
    async again() { this.limit = PAGE; this.ready = false; await this.refresh(); },
    async more() { this.limit = Math.min(this.limit + PAGE, MOST); await this.refresh(); },
    key() {},
  },
};
