// What the desks share: who sits here, talking to the API, telling when that fails, a buyer's time line.
import { filled } from "/static/words.js";
import { Account, Links, signInPath } from "/static/menu.js";

const NAME_KEY = "zhengdian.actor";
const REFRESH_MS = 5000;
const AGENTS_EVERY = 6; // refreshes: agents come and go by the day
const ANSWER_MS = 60_000; // a server that never answers must not stop the refreshes for good
const HOLD_MS = 60_000; // as long as the API itself holds an accepted command (web/commands.py)
const DOUBT_MS = 600_000; // so long may a command that got no answer still arrive
const PAGE = 50, LONGEST_PAGE = 500; // rows of a list
const DRAFTS = 50;
const TOAST_MS = 8000;
// how far a flag, conversation or task has come: see web/commands.py
export const PLACE = { open: 0, claimed: 1, called: 2, upheld: 3, dismissed: 3, resolved: 3, revisited: 4, withdrawn: 5, flagged: 5 };

// scrolls what is inside the desk so that one can see it; the page itself stays where it is, which on a phone is longer than the screen
function bringIn(shown, centred) {
  for (let box = shown.parentElement; box && !box.classList.contains("desk"); box = box.parentElement) {
    if (getComputedStyle(box).overflowY === "visible") continue;
    const at = shown.getBoundingClientRect(), room = box.getBoundingClientRect();
    const above = at.top - room.top - box.clientTop, below = above + at.height - box.clientHeight;
    if (centred) box.scrollTop += (above + below) / 2;
    else if (above < 0) box.scrollTop += above;
    else if (below > 0) box.scrollTop += Math.min(above, below);
  }
}

// in every desk: the bar at the top; the desk's own things go into its slot
export const Bar = {
  template: `
  <header class="bar">
    <a class="brand" :href="'/?lang=' + desk.lang"><span class="mark" aria-hidden="true"><i></i></span>{{ desk.t.brand }}</a>
    <h1>{{ title }}</h1>
    <slot></slot>
    <Links :texts="desk.t" :lang="desk.lang" :places="desk.places" :me="desk.me"></Links>
    <label class="who" v-if="desk.me && !desk.me.name" :title="desk.t.your_name_hint"><span>{{ desk.t.your_name }}</span><input v-model.trim="desk.actor" @change="desk.keepName()" maxlength="64" autocomplete="name"></label>
    <Account :texts="desk.t" :lang="desk.lang" :me="desk.me"></Account>
    <a class="lang" :href="'?lang=' + (desk.lang === 'zh' ? 'en' : 'zh')" :aria-label="desk.t.switch_hint">{{ desk.t.switch }}</a>
  </header>
  <div class="banner bad" role="alert" v-if="desk.trouble || desk.failure">{{ desk.trouble ? desk.t[desk.trouble] : desk.failure }} <a v-if="desk.trouble === 'signed_out'" :href="signIn()">{{ desk.t.sign_in }}</a></div>
  <p class="toast" role="status"><span v-if="desk.toast">{{ desk.toast }}</span></p>`,
  components: { Account, Links },
  props: { desk: Object, title: String },
  methods: { signIn() { return signInPath(this.desk.lang); } },
};

// one buyer's time line; `accused` and `cited` tell which entries to point at, `hits` what to mark in the accused one
export const TimeLine = {
  template: `
  <p class="note" v-if="talk && talk.truncated">{{ desk.t.qc_truncated }}</p>
  <p class="empty" v-if="!desk.may('see_buyers')">{{ desk.t.talk_hidden }}</p>
  <p class="empty" v-else-if="!talk || !talk.entries.length">{{ talk ? desk.t.no_talk : desk.t.loading }}</p>
  <ol class="line" v-else ref="line" tabindex="0" :aria-label="desk.t.qc_timeline">
    <li v-for="entry in talk.entries" :key="entry.type + entry.id" :class="[kind(entry), { accused: accused(entry), cited: cited(entry) }]" :data-entry="entry.id">
      <template v-if="entry.type === 'chat.message'">
        <small><b>{{ entry.sender === 'agent' ? desk.nameOf(talk.shop_id, entry.agent_id) : desk.t['sender.buyer'] }}</b> {{ desk.timeText(entry.time) }} <i v-if="desk.t['mode.' + entry.reply_mode]">{{ desk.t['mode.' + entry.reply_mode] }}</i></small>
        <p><i v-if="!entry.text">{{ desk.t.no_words }}</i><template v-for="(part, i) in marked(entry)" :key="i"><mark v-if="part.hit">{{ part.text }}</mark><template v-else>{{ part.text }}</template></template></p>
      </template>
      <template v-else>
        <small>{{ desk.timeText(entry.time) }}</small>
        <p><b>{{ desk.t['entry.' + entry.type] || entry.type }}</b> <span v-if="entry.order_id">{{ entry.order_id }}</span> <span v-if="entry.amount">¥{{ entry.amount }}</span> <span v-if="entry.rating" class="stars">{{ '★'.repeat(entry.rating) }}</span> {{ entry.text || itemsText(entry) }}</p>
      </template>
    </li>
  </ol>`,
  props: { desk: Object, talk: Object, accused: Function, cited: Function, hits: { type: Array, default: () => [] } },
  mounted() { this.point(); },
  watch: { talk() { this.$nextTick(this.point); } },
  methods: {
    kind(entry) { return entry.type === "chat.message" ? entry.sender : "fact " + entry.type.replace(".", "-"); },
    itemsText(entry) { return (entry.items || []).map((item) => item.title + "×" + item.quantity).join(" "); },
    marked(entry) {
      const hits = this.accused(entry) ? this.hits : [];
      const letters = Array.from(entry.text || ""); // offsets count characters, not UTF-16 units
      const parts = []; let at = 0;
      for (const hit of [...hits].sort((a, b) => a.start - b.start)) {
        if (hit.start < at) continue;
        parts.push({ text: letters.slice(at, hit.start).join("") }, { text: letters.slice(hit.start, hit.end).join(""), hit: true });
        at = hit.end;
      }
      return [...parts, { text: letters.slice(at).join("") }].filter((part) => part.text);
    },
    point() { const line = this.$refs.line, at = line && (line.querySelector(".accused") || line.querySelector(".cited")); if (at) bringIn(at, true); },
  },
};

/* A desk gives:
   - `row` (an option): the names of a row's id, status and holder, its path in the API, the blank draft;
   - `load()`: reads the list and answers a function that shows it, by `arrived(rows)`;
   - `belongs(row)`: whether a row of that status is in the list; `titleOf(row)`; `look(row)`: reads what of the things beside it is not there yet.
   It calls `give(row, step, body, aim, done)` for what somebody does, where `aim` is what the row becomes; in `done` then
   `did(row, change)` for what the API has accepted, and `leave(row, text)` when it is through with a row. */
export const desk = {
  components: { Bar, TimeLine },
  props: { texts: Object, lang: String, places: Array },
  data() {
    return { me: null, actor: "", agents: new Map(), people: new Map(), toast: "", rows: [], current: null, talk: null, message: "", busy: false, paging: false, cursor: null, trouble: "", failure: "", ready: false };
  },
  computed: {
    self() { return this; },
    t() { return this.texts; },
    name() { return this.me && this.me.name ? this.me.name : this.actor; },
    state() { return this.trouble ? "trouble" : this.ready ? (this.rows.length ? "busy" : "empty") : "loading"; },
    holder() { return this.current[this.$options.row.holder]; },
    mine() { return !!this.holder && this.holder === this.name; },
    takenByOther() { return !!this.holder && !this.mine; },
    dirty() { return Object.entries(this.$options.row.draft).some(([name, blank]) => JSON.stringify(this[name]) !== JSON.stringify(blank)); },
  },
  created() {
    this.turn = 0; this.polls = 0; this.reading = 0; this.at = 0;
    this.done = new Map(); // id -> what this desk knows before the read model does
    this.doubts = new Map(); // id -> what was done and got no answer
    this.$watch(() => Object.keys(this.$options.row.draft).map((name) => this[name]), this.keep, { deep: true });
  },
  async mounted() {
    document.documentElement.lang = this.lang === "zh" ? "zh-CN" : "en";
    this.actor = localStorage.getItem(NAME_KEY) || "";
    addEventListener("keydown", this.key);
    // one at a time: a slow database would otherwise never get to show anything
    this.timer = setInterval(() => { if (!this.reading) this.refresh(); }, REFRESH_MS);
    await this.refresh();
  },
  unmounted() { removeEventListener("keydown", this.key); clearInterval(this.timer); clearTimeout(this.toastTimer); },
  methods: {
    say(key, values) { return filled(this.t[key], values); },
    may(what) { return !!this.me && this.me.may.includes(what); },
    // of people at the desks
    personText(name) { return this.people.get(name) || name; },
    nameOf(shop, id) { const agent = this.agents.get(shop + "|" + id); return (agent && agent.name) || id; },
    timeText(time) { return time.slice(5, 10) + " " + time.slice(11, 19); },
    listText(parts) { return parts.join(this.lang === "zh" ? "、" : ", "); },
    quoted(text) { return this.lang === "zh" ? "「" + text + "」" : "“" + text + "”"; },
    // what a datetime-local field says, in the zone in which the page shows times: that of `sample`, a time of the API
    instant(field, sample) {
      const zone = /(Z|[+-]\d\d:\d\d)$/.exec(sample || "");
      return zone ? (field.length === 16 ? field + ":00" : field) + zone[1] : new Date(field).toISOString();
    },
    keepName() { localStorage.setItem(NAME_KEY, this.actor); },

    // --- the API
    // `signal`: of an AbortController whose owner may lose interest
    async ask(path, body, signal) {
      const options = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
      let answer;
      const late = AbortSignal.timeout(ANSWER_MS);
      try { answer = await fetch(path, { ...options, signal: signal && AbortSignal.any ? AbortSignal.any([signal, late]) : late }); } catch {
        if (signal && signal.aborted) throw Object.assign(new Error("not wanted any more"), { unwanted: true });
        this.trouble = "offline"; throw new Error("offline");
      }
      // nobody is sent away from what they are typing
      if (answer.status === 401) { this.trouble = "signed_out"; this.askWho = true; throw Object.assign(new Error("signed out"), { status: 401 }); }
      if (answer.status >= 502 && answer.status !== 504 && body === undefined) { this.trouble = answer.status === 503 ? "unavailable" : "offline"; throw new Error("unavailable"); }
      return answer;
    },
    async read(path, signal) {
      const answer = await this.ask(path, undefined, signal);
      const said = await answer.json().catch(() => ({}));
      if (answer.ok) return said;
      throw Object.assign(new Error(this.detailText(said.detail) || answer.status + " " + answer.statusText), { status: answer.status });
    },
    detailText(detail) { return Array.isArray(detail) ? detail.map((one) => [...one.loc.slice(1), one.msg].join(": ")).join("; ") : typeof detail === "string" ? detail : ""; },
    async refresh() {
      const turn = ++this.turn;
      this.reading = turn;
      try {
        if (!this.me || this.askWho) { this.me = await this.read("/api/v1/me"); this.askWho = false; }
        if (!this.agents.size || ++this.polls % AGENTS_EVERY === 0) {
          const [{ agents }, { people }] = await Promise.all(["agents", "people"].map((path) => this.read("/api/v1/" + path)));
          this.agents = new Map(agents.map((agent) => [agent.shop_id + "|" + agent.agent_id, agent]));
          this.people = new Map(people.map((person) => [person.name, person.display_name]));
        }
        if (turn !== this.turn) return; // nobody waits for it, and to load would end what somebody does wait for
        const show = await this.load();
        if (turn !== this.turn) return; // the filters have changed meanwhile, or a command was accepted
        this.trouble = ""; this.failure = ""; this.ready = true;
        await show();
      } catch (error) { this.failed(error); } finally { if (this.reading === turn) this.reading = 0; }
    },
    failed(error) { if (!this.trouble && !error.unwanted) this.failure = error.status === 403 ? this.t.forbidden : error.status === 504 ? this.t.too_slow : error.message; },
    // what somebody does to a row: `done(said)` once the API has accepted it, also where its answer was lost; else the reason told
    async give(row, step, body, aim, done) {
      if (this.busy) return;
      if (!this.name) { this.message = this.t.need_name; return; }
      this.busy = true; this.message = "";
      let accepted;
      const doubt = () => this.doubts.set(this.idOf(row), { row, aim, done, told: this.message, until: Date.now() + DOUBT_MS });
      try {
        const answer = await this.ask(this.pathOf(row) + "/" + step, { ...body, actor: this.name });
        const said = await answer.json().catch(() => null);
        if (answer.ok && said) { accepted = said; return; }
        const detail = (said && answer.status < 500 && this.detailText(said.detail)) || this.t.failed;
        const holder = answer.status === 409 && /^(.+) has it \((\w+)\)/.exec(detail);
        const late = answer.status === 409 && /^it is (\w+);/.exec(detail);
        this.tell(row, holder ? this.say("taken", { who: this.personText(holder[1]) }) : late ? this.t.too_late : answer.status !== 403 ? detail
          : /served this buyer/.test(detail) ? this.t.served_buyer : / may not /.test(detail) ? this.t.forbidden : detail);
        const doubted = this.doubts.get(this.idOf(row));
        if (answer.ok || answer.status >= 500) doubt(); else if (doubted) doubted.told = this.message;
        if (answer.status === 409) { this.learn(row, holder, late); this.refresh(); }
      } catch (error) { this.tell(row, this.t.failed); if (error.status !== 401) doubt(); } finally {
        this.busy = false;
        if (accepted) { this.doubts.delete(this.idOf(row)); done(accepted); }
      }
    },
    // a command that timed out may arrive all the same: then it did work, and the page goes on as if it had been told so at once
    async clearDoubts() {
      const { status, holder } = this.$options.row;
      for (const [id, { row, aim, done, told, until }] of this.doubts) {
        if (this.busy) return; // the next answer tells more
        if (Date.now() > until) { this.doubts.delete(id); continue; }
        const now = this.isCurrent(row) ? this.current : this.rows.find((one) => this.idOf(one) === id) || (await this.rowOf(id));
        const further = now ? PLACE[now[status]] - PLACE[aim[status]] : -1;
        if (further < 0 || (further === 0 && now.calls < aim.calls)) continue;
        this.doubts.delete(id);
        if (this.message === told) this.message = "";
        if (now[holder] === aim[holder] && PLACE[now[status]] < PLACE.withdrawn) done({ status: now[status] });
      }
    },
    // of a row that is no longer open, one must be told which it was
    tell(row, text) { this.message = this.isCurrent(row) ? text : this.titleOf(row) + this.t.colon + text; },
    // what has been done to a row that one has left: beside what one reads now, and for a while
    flash(row, text) { this.showToast(this.titleOf(row) + this.t.colon + text); },
    showToast(text) {
      this.toast = text;
      clearTimeout(this.toastTimer);
      this.toastTimer = setTimeout(() => { this.toast = ""; }, TOAST_MS);
    },

    // --- rows
    idOf(row) { return row[this.$options.row.id]; },
    pathOf(row) { return this.$options.row.path + encodeURIComponent(this.idOf(row)); },
    domId(row) { return "row-" + this.idOf(row); },
    isCurrent(row) { return !!this.current && this.idOf(this.current) === this.idOf(row); },
    did(row, change) {
      this.done.set(this.idOf(row), { change, until: Date.now() + HOLD_MS });
      this.turn++; // a poll under way does not know of it
      if (this.isCurrent(row)) this.current = { ...this.current, ...change };
      this.rows = this.rows.map((one) => (this.idOf(one) === this.idOf(row) ? { ...one, ...change } : one));
    },
    // why the API refused: it knows more than its read model shows
    learn(row, held, other) {
      const { status, holder } = this.$options.row;
      if (held) this.did(row, { [status]: held[2], [holder]: held[1] });
      else if (other) this.did(row, { [status]: other[1], [holder]: row[holder] || (PLACE[other[1]] === PLACE.withdrawn ? "" : this.name) });
    },
    // what this desk knows holds until the API says as much, or somebody else has the row, or it is a minute ago
    settled(row) {
      const { id, status, holder } = this.$options.row;
      const known = this.done.get(row[id]);
      if (!known) return row;
      const further = PLACE[row[status]] - PLACE[known.change[status]];
      const caughtUp = further > 0 || (further === 0 && !(row.calls < known.change.calls)) || (row[holder] && row[holder] !== known.change[holder]);
      if (!caughtUp && Date.now() < known.until) return { ...row, ...known.change };
      this.done.delete(row[id]);
      return row;
    },
    async arrived(rows) {
      this.rows = rows.map(this.settled).filter(this.belongs);
      if (!this.current) {
        const last = this.last();
        const first = this.rows.find((row) => this.idOf(row) === last) || (await this.leftAt(last)) || this.rows[0];
        if (first && !this.current) this.open(first);
        return this.clearDoubts();
      }
      const at = this.rows.findIndex(this.isCurrent);
      const row = this.current;
      if (at >= 0) { this.at = at; this.current = this.rows[at]; }
      else {
        // somebody else has taken or settled it, or it is further down
        try { const now = this.settled(await this.read(this.pathOf(row))); if (this.isCurrent(row)) this.current = { ...this.current, ...now }; }
        catch (error) { if (error.status !== 404) throw error; }
      }
      if (this.current) this.look(this.current); // what failed before
      return this.clearDoubts();
    },
    // the next page of a list that comes in pages: such a desk gives `pathTo(more)`, with more of the query, and `rowsOf(page)`
    async nextPage() {
      if (this.paging) return;
      const turn = ++this.turn; // a poll under way would cut the list to what it was
      this.paging = true; this.reading = turn;
      try {
        const page = await this.read(this.pathTo({ limit: PAGE, cursor: this.cursor }));
        if (turn !== this.turn) return;
        this.rows = [...this.rows, ...this.rowsOf(page).map(this.settled).filter(this.belongs)]; this.cursor = page.next_cursor;
      } catch (error) { this.failed(error); } finally { this.paging = false; if (this.reading === turn) this.reading = 0; }
    },
    // as many as are shown, which the API gives at once
    pageSize() { return Math.min(LONGEST_PAGE, Math.max(PAGE, this.rows.length)); },
    // after a reload: the row that somebody was at, which others may have pushed off the page
    async leftAt(id) { const row = id && await this.rowOf(id); return row && this.belongs(row) ? row : null; },
    // by its id; null when it is not there
    async rowOf(id) {
      try { return this.settled(await this.read(this.pathOf({ [this.$options.row.id]: id }))); }
      catch (error) { if (error.status !== 404) throw error; return null; }
    },
    open(row) {
      if (this.isCurrent(row)) return;
      this.current = row; this.talk = null; this.message = "";
      this.at = Math.max(this.rows.findIndex(this.isCurrent), 0);
      const draft = (this.drafts().find(([id, who]) => id === this.idOf(row) && who === this.me.name) || [])[2];
      Object.assign(this, structuredClone(this.$options.row.draft), draft);
      this.remember(this.idOf(row));
      // what is typed next is not meant for this row
      if (document.activeElement && document.activeElement.tagName === "TEXTAREA") this.$refs.list.focus({ preventScroll: true });
      this.$nextTick(() => { const shown = document.getElementById(this.domId(row)); if (shown) bringIn(shown); });
      this.look(row);
    },
    async readTalk(row) {
      if (this.talk || !this.may("see_buyers") || this.talking === this.idOf(row)) return;
      this.talking = this.idOf(row);
      try {
        const talk = await this.read("/api/v1/conversations?" + new URLSearchParams({ shop_id: row.shop_id, buyer_id: row.buyer_id }));
        if (this.isCurrent(row)) this.talk = talk;
      } catch (error) {
        if (error.status !== 404) this.failed(error);
        else if (this.isCurrent(row)) this.talk = { shop_id: row.shop_id, entries: [] };
      } finally { if (this.talking === this.idOf(row)) this.talking = null; }
    },
    leave(row, text) {
      const at = this.rows.findIndex((one) => this.idOf(one) === this.idOf(row));
      this.rows = this.rows.filter((one) => this.idOf(one) !== this.idOf(row));
      if (this.isCurrent(row)) {
        // it may have left the list already
        const next = this.rows[Math.min(at < 0 ? this.at : at, this.rows.length - 1)];
        if (next) this.open(next); else { this.current = null; this.talk = null; this.message = ""; }
      }
      this.flash(row, text);
    },
    async reload() { this.ready = false; this.current = null; this.talk = null; this.rows = []; this.message = ""; this.remember(""); await this.refresh(); this.$refs.list.scrollTop = 0; },
    step(by) {
      const at = this.current ? this.rows.findIndex(this.isCurrent) : -1;
      // another row has come to the place of one that has left the list
      const to = at >= 0 ? at + by : by > 0 ? this.at : this.at - 1;
      const next = this.rows[Math.min(Math.max(to, 0), this.rows.length - 1)];
      if (next) this.open(next);
    },

    // --- what is typed outlives a reload: NiceGUI reloads the page when the server has been restarted
    store(name) { return "zhengdian" + this.$options.row.path.replaceAll("/", ".") + name; },
    drafts() { try { return JSON.parse(sessionStorage.getItem(this.store("drafts"))) || []; } catch { return []; } },
    keep() { if (this.current) this.putDraft(this.current, this.dirty && Object.fromEntries(Object.keys(this.$options.row.draft).map((name) => [name, this[name]]))); },
    putDraft(row, draft) {
      const kept = this.drafts().filter(([id]) => id !== this.idOf(row));
      if (draft) kept.push([this.idOf(row), this.me.name, draft]);
      try { sessionStorage.setItem(this.store("drafts"), JSON.stringify(kept.slice(-DRAFTS))); } catch { /* no room: it is still on the page */ }
    },
    remember(id) { try { sessionStorage.setItem(this.store("last"), id); } catch { /* the first one will do */ } },
    last() { try { return sessionStorage.getItem(this.store("last")); } catch { return null; } },

    // --- keys
    // whether a key is meant for the desk and not for a field
    isCommand(event) {
      const { tagName, type } = event.target;
      const typing = /^(TEXTAREA|SELECT)$/.test(tagName) || (tagName === "INPUT" && !/^(radio|checkbox)$/.test(type));
      return !typing && !event.isComposing && !event.ctrlKey && !event.metaKey && !event.altKey;
    },
    // arrows scroll the transcript and move between radios
    moves(event) {
      if (event.key.startsWith("Arrow") && event.target.closest && event.target.closest(".line, input")) return null;
      return { j: () => this.step(1), k: () => this.step(-1), ArrowDown: () => this.step(1), ArrowUp: () => this.step(-1) }[event.key];
    },
    // a held key must not act on rows that nobody has read
    acts(event) { return !event.repeat && !this.busy && !!this.current; },
  },
};
