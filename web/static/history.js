// What was done about a row of a desk and what people wrote down, as `GET` of that row tells it (web/history.py).
const HOLD_MS = 60_000; // as long as the API itself holds an accepted command (web/commands.py)

export const History = {
  template: `
  <section class="history" v-if="desk.history.length" :aria-label="desk.t.history">
    <h3>{{ desk.t.history }}</h3>
    <ol>
      <li v-for="step in desk.history" :key="step.id" :data-step="step.type">
        <b>{{ desk.stepText(step) }}</b> <small>{{ desk.personText(step.actor) }} · {{ desk.timeText(step.time) }}</small>
        <p v-for="[key, words] in said(step)" :key="key" :data-said="key"><i v-if="desk.t['history_' + key]">{{ desk.t['history_' + key] }}{{ desk.t.colon }}</i>{{ words }}</p>
      </li>
    </ol>
  </section>`,
  props: { desk: Object },
  methods: { said(step) { return ["note", "reason", "coaching"].map((key) => [key, step[key]]).filter(([, words]) => words); } },
};

/* A desk that shows it gives `stepText(step)`: what a step was, in a few words; it calls `readHistory(row)` when it looks at a
   row, and `noted(row, said, step)` with the API's answer to what was done. */
export const historied = {
  components: { History },
  data() { return { history: [] }; },
  created() { this.told = new Map(); this.heard = ""; }, // id of a row -> steps that the API may not show yet
  watch: {
    current: {
      flush: "sync", // before it is read
      handler(now, before) {
        if (now && before && this.idOf(now) === this.idOf(before)) return;
        this.heard = ""; this.history = now ? this.withTold(now, []) : [];
      },
    },
  },
  methods: {
    withTold(row, found) {
      const id = this.idOf(row);
      const left = (this.told.get(id) || []).filter(({ step, until }) => Date.now() < until && !found.some((one) => one.id === step.id));
      if (left.length) this.told.set(id, left); else this.told.delete(id);
      return [...found, ...left.map(({ step }) => step)];
    },
    noted(row, said, step) {
      if (!said.event_id) return; // it was so already
      const id = this.idOf(row);
      this.told.set(id, [...(this.told.get(id) || []), { step: { ...step, id: said.event_id }, until: Date.now() + HOLD_MS }]);
      if (this.isCurrent(row)) this.history = this.withTold(row, this.history);
    },
    // once, and again when something has been done to the row
    async readHistory(row) {
      const { status, holder } = this.$options.row;
      const state = [this.idOf(row), row[status], row[holder], row.calls].join("|");
      if (this.heard === state && !this.told.has(this.idOf(row))) return;
      this.heard = state;
      try {
        const { history } = await this.read(this.pathOf(row));
        if (this.isCurrent(row)) this.history = this.withTold(row, history || []);
      } catch (error) { this.heard = ""; if (error.status !== 404) this.failed(error); }
    },
    // now, as the API would say it: with the offset that `sample`, a time of the API, has
    nowText(sample) {
      const [zone, sign, hours, minutes] = /([+-])(\d\d):(\d\d)$/.exec(sample) || ["Z", "+", 0, 0];
      return new Date(Date.now() + (sign + "1") * (hours * 60 + Number(minutes)) * 60_000).toISOString().slice(0, 23) + zone;
    },
  },
};
