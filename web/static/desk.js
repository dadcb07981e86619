// What the desks share: who sits here, talking to the API, telling when that fails, a buyer's time line.
const NAME_KEY = "zhengdian.actor";
const REFRESH_MS = 5000;
const AGENTS_EVERY = 6; // refreshes: agents come and go by the day

// in every desk: the bar at the top; the desk's own things go into its slot
export const Bar = {
  template: `
  <header class="bar">
    <a class="brand" :href="'/?lang=' + desk.lang"><span class="mark" aria-hidden="true"><i></i></span>{{ desk.t.brand }}</a>
    <h1>{{ title }}</h1>
    <slot></slot>
    <nav><a v-for="[href, text] in links" :key="href" :href="href + '?lang=' + desk.lang">{{ text }}</a></nav>
    <label class="who" v-if="desk.me && !desk.me.name" :title="desk.t.your_name_hint"><span>{{ desk.t.your_name }}</span><input v-model.trim="desk.actor" @change="desk.keepName()" maxlength="64" autocomplete="name"></label>
    <form class="who" v-else-if="desk.me" method="post" action="/sign-out"><b>{{ desk.me.display_name || desk.me.name }}</b><button class="link">{{ desk.t.sign_out }}</button></form>
    <a class="lang" :href="'?lang=' + (desk.lang === 'zh' ? 'en' : 'zh')" :aria-label="desk.t.switch_hint">{{ desk.t.switch }}</a>
  </header>
  <div class="banner bad" role="alert" v-if="desk.trouble">{{ desk.t[desk.trouble] }}</div>`,
  props: { desk: Object, title: String },
  computed: {
    links() { const t = this.desk.t; return [["/", t.wallboard], ["/qc", t.qc], ["/calls", t.calls]].filter(([href]) => href !== location.pathname); },
  },
};

// one buyer's time line; `accused` and `cited` tell which entries to point at, `hits` what to mark in the accused one
export const TimeLine = {
  template: `
  <p class="note" v-if="talk && talk.truncated">{{ desk.t.qc_truncated }}</p>
  <p class="empty" v-if="!talk || !talk.entries.length">{{ talk ? desk.t.no_talk : desk.t.loading }}</p>
  <ol class="line" v-else ref="line" tabindex="0" :aria-label="desk.t.qc_timeline">
    <li v-for="entry in talk.entries" :key="entry.type + entry.id" :class="[kind(entry), { accused: accused(entry), cited: cited(entry) }]" :data-entry="entry.id">
      <template v-if="entry.type === 'chat.message'">
        <small><b>{{ entry.sender === 'agent' ? desk.nameOf(talk.shop_id, entry.agent_id) : desk.t['sender.buyer'] }}</b> {{ desk.timeText(entry.time) }} <i v-if="desk.t['mode.' + entry.reply_mode]">{{ desk.t['mode.' + entry.reply_mode] }}</i></small>
        <p><template v-for="(part, i) in marked(entry)" :key="i"><mark v-if="part.hit">{{ part.text }}</mark><template v-else>{{ part.text }}</template></template></p>
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
    point() { const accused = this.$refs.line && this.$refs.line.querySelector(".accused"); if (accused) accused.scrollIntoView({ block: "center" }); },
  },
};

// a desk gives `load` (reads what it shows) and calls `refresh`
export const desk = {
  components: { Bar, TimeLine },
  props: { texts: Object, lang: String },
  data() { return { me: null, actor: "", agents: new Map(), message: "", busy: false, trouble: "", ready: false, turn: 0 }; },
  computed: {
    t() { return this.texts; },
    name() { return this.me && this.me.name ? this.me.name : this.actor; },
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
    may(what) { return !!this.me && this.me.may.includes(what); },
    nameOf(shop, id) { const agent = this.agents.get(shop + "|" + id); return (agent && agent.name) || id; },
    timeText(time) { return time.slice(5, 10) + " " + time.slice(11, 19); },
    keepName() { localStorage.setItem(NAME_KEY, this.actor); },
    async ask(path, body) {
      const options = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
      let answer;
      try { answer = await fetch(path, options); } catch { this.trouble = "offline"; throw new Error("offline"); }
      if (answer.status === 401) { location.href = "/sign-in?lang=" + this.lang + "&next=" + encodeURIComponent(location.pathname + location.search); throw new Error("signed out"); }
      if (answer.status === 503 && body === undefined) { this.trouble = "unavailable"; throw new Error("unavailable"); }
      return answer;
    },
    async read(path) {
      const answer = await this.ask(path);
      if (!answer.ok) throw new Error((await answer.json()).detail);
      return answer.json();
    },
    conversation(one) { return this.read("/api/v1/conversations/" + [one.shop_id, one.buyer_id].map(encodeURIComponent).join("/")); },
    async refresh() {
      const turn = ++this.turn;
      try {
        if (!this.me) this.me = await this.read("/api/v1/me");
        if (!this.agents.size || turn % AGENTS_EVERY === 0) {
          this.agents = new Map((await this.read("/api/v1/agents")).agents.map((agent) => [agent.shop_id + "|" + agent.agent_id, agent]));
        }
        const show = await this.load();
        if (turn !== this.turn) return; // the filters have changed meanwhile
        this.trouble = ""; this.ready = true;
        await show();
      } catch (error) { if (!this.trouble && error.message !== "signed out") this.message = error.message; }
    },
    // what somebody does: the answer, or null with the reason in `message`
    async give(path, body) {
      if (!this.name) { this.message = this.t.need_name; return null; }
      this.busy = true; this.message = "";
      try {
        const answer = await this.ask(path, { ...body, actor: this.name });
        const said = await answer.json();
        if (answer.ok) return said;
        const holder = answer.status === 409 && /^(.+) has it \(/.exec(said.detail);
        const served = answer.status === 403 && /served this buyer/.test(said.detail);
        this.message = holder ? this.say("taken", { who: holder[1] }) : served ? this.t.served_buyer : answer.status === 403 ? this.t.forbidden
          : typeof said.detail === "string" ? said.detail : said.detail.map((one) => one.msg).join("; ");
        if (answer.status === 409) { this.done = null; const message = this.message; await this.refresh(); this.message = message; }
        return null;
      } catch { return null; } finally { this.busy = false; }
    },
    // whether a key is meant for the desk and not for a field
    isCommand(event) {
      const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
      return !typing && !event.ctrlKey && !event.metaKey && !event.altKey;
    },
  },
};
