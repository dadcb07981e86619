// The call desk: whom to call, the sheet of what happened, and what came of it. Reads and writes by the API alone.
import { desk } from "/static/desk.js";

const VIEWS = ["call", "revisit", "done"];

export default {
  template: `
<div class="desk calls" :data-state="state">
  <Bar :desk="self" :title="t.calls"><span class="count" role="status">{{ countText }}</span></Bar>
  <div class="columns">
    <section class="queue" :aria-label="t.calls">
      <div class="tabs" role="tablist"><button v-for="one in views" :key="one" role="tab" :aria-selected="view === one" @click="show(one)" :data-view="one">{{ t['calls_' + one] }}<b v-if="counts && counts[one] !== undefined"> {{ counts[one] }}</b></button></div>
      <div class="filters">
        <label><span>{{ t.calls_priority }}</span><select v-model="priority" @change="reload" data-facet="priority"><option value="">{{ t.all }}</option><option v-for="one in ['high', 'normal', 'low']" :key="one" :value="one">{{ t['priority.' + one] }}</option></select></label>
        <label class="check"><input type="checkbox" v-model="onlyMine" @change="reload"><span>{{ t.calls_mine }}</span></label>
      </div>
      <ol class="list" ref="list" role="listbox" tabindex="0" :aria-label="t.calls" :aria-activedescendant="current ? 'task-' + current.task_id : null">
        <li v-for="task in tasks" :key="task.task_id" :id="'task-' + task.task_id" role="option" :aria-selected="!!current && task.task_id === current.task_id" :class="[task.priority, { overdue: task.overdue, later: !task.callable }]" :data-task="task.task_id" @click="open(task)">
          <b><span class="stars">{{ '★'.repeat(task.rating) }}</span> {{ t['category.' + task.category] }}</b><span class="badge">{{ t['priority.' + task.priority] }}</span>
          <span class="agent">{{ task.shop_id }}</span><time>{{ whenText(task) }}</time>
          <small v-if="task.claimed_by">{{ t['task.' + task.status] }} {{ task.claimed_by }}</small>
        </li>
      </ol>
      <div class="empty" v-if="ready && !tasks.length"><b>{{ t.calls_empty }}</b><p>{{ t.calls_empty_hint }}</p></div>
    </section>

    <section class="talk" :aria-label="t.qc_timeline">
      <template v-if="current">
        <h2>{{ t.qc_timeline }} <small>{{ current.shop_id }} · {{ current.buyer_id }}</small></h2>
        <TimeLine :desk="self" :talk="talk" :accused="isReview" :cited="isOrder"></TimeLine>
      </template>
      <p class="empty" v-else-if="tasks.length">{{ t.qc_pick }}</p>
    </section>

    <section class="verdict" v-if="current" :aria-label="t.calls_sheet">
      <h2>{{ t['category.' + current.category] }} <span class="badge" :class="{ violation: current.priority === 'high' }">{{ t['priority.' + current.priority] }}</span></h2>
      <dl class="facts">
        <div><dt>{{ t.calls_order }}</dt><dd>{{ current.order_id }}</dd></div>
        <div><dt>{{ t.calls_not_before }}</dt><dd>{{ timeText(current.not_before) }}</dd></div>
        <div :class="{ late: current.overdue }"><dt>{{ t.calls_due }}</dt><dd>{{ timeText(current.due_at) }}<template v-if="current.overdue"> · {{ t.tasks_overdue }}</template></dd></div>
        <div v-if="current.call_again_at"><dt>{{ t.calls_again }}</dt><dd>{{ timeText(current.call_again_at) }}</dd></div>
        <div><dt>{{ t.calls_calls }}</dt><dd>{{ current.calls }}</dd></div>
        <div v-if="current.excluded_agent_id"><dt>{{ t.calls_served_by }}</dt><dd>{{ nameOf(current.shop_id, current.excluded_agent_id) }}</dd></div>
        <div v-if="current.outcome"><dt>{{ t.calls_outcome }}</dt><dd>{{ outcomeText(current.outcome) }}</dd></div>
      </dl>
      <p class="state" role="status" aria-live="polite">{{ message || stateText }}</p>
      <template v-if="mayCall && current.status !== 'withdrawn' && current.status !== 'revisited'">
        <template v-if="current.status === 'resolved'">
          <label class="field"><span>{{ t.calls_note }}</span><textarea v-model="note" rows="2" maxlength="2000"></textarea></label>
          <div class="actions"><button class="dismiss" @click="revisit" :disabled="busy">{{ t.calls_log_revisit }}</button></div>
        </template>
        <template v-else>
          <button class="claim" v-if="!mine" @click="claim" :disabled="busy || takenByOther">{{ t.qc_claim }} <kbd>C</kbd></button>
          <template v-else>
            <p class="note" v-if="!current.callable">{{ t.calls_too_early }}</p>
            <label class="field"><span>{{ t.calls_note }}</span><textarea v-model="note" rows="2" maxlength="2000"></textarea></label>
            <label class="field"><span>{{ t.calls_again }}</span><input type="datetime-local" v-model="again"></label>
            <div class="actions"><button @click="log(true)" :disabled="busy">{{ t.calls_reached }} <kbd>R</kbd></button><button @click="log(false)" :disabled="busy">{{ t.calls_not_reached }} <kbd>N</kbd></button></div>
            <h3>{{ t.calls_ways }}</h3>
            <div class="actions ways"><button v-for="(one, i) in outcomes" :key="one" class="dismiss" @click="resolve(one)" :disabled="busy" :data-outcome="one">{{ outcomeText(one) }} <kbd>{{ i + 1 }}</kbd></button></div>
          </template>
        </template>
      </template>
      <p class="keys">{{ t.calls_keys }}</p>
    </section>
  </div>
</div>`,
  mixins: [desk],
  props: { outcomes: Array },
  data() { return { tasks: [], counts: null, current: null, talk: null, view: "call", priority: "", onlyMine: false, note: "", again: "" }; },
  computed: {
    self() { return this; },
    views() { return VIEWS; },
    state() { return this.trouble ? "trouble" : this.ready ? (this.tasks.length ? "busy" : "empty") : "loading"; },
    mayCall() { return this.may("call"); },
    mine() { return !!this.current.claimed_by && this.current.claimed_by === this.name; },
    takenByOther() { return !!this.current.claimed_by && !this.mine; },
    countText() { return this.counts ? this.say("calls_count", { now: this.counts.now, overdue: this.counts.overdue }) : ""; },
    stateText() { return this.current.claimed_by ? this.t["task." + this.current.status] + " · " + this.current.claimed_by : ""; },
  },
  methods: {
    whenText(task) { return task.callable ? this.say("calls_due_at", { at: this.timeText(task.due_at) }) : this.say("calls_from", { at: this.timeText(task.call_again_at || task.not_before) }); },
    outcomeText(outcome) { return this.t["outcome." + outcome] || outcome; },
    isReview(entry) { return !!this.current && entry.type.startsWith("review.") && this.current.review_ids.includes(entry.review_id); },
    isOrder(entry) { return !!this.current && entry.type === "order.placed" && entry.order_id === this.current.order_id; },
    async load() {
      const query = new URLSearchParams({ view: this.view, limit: 200 });
      if (this.priority) query.set("priority", this.priority);
      if (this.onlyMine && this.name) query.set("claimed_by", this.name);
      const queue = await this.read("/api/v1/calls/queue?" + query);
      return async () => {
        this.counts = queue.counts;
        this.tasks = queue.call_tasks.map((task) => this.settled(task)).filter((task) => task);
        const same = this.current && this.tasks.find((task) => task.task_id === this.current.task_id);
        if (same) this.current = same;
        else if (!this.current && this.tasks.length) await this.open(this.tasks[0]);
      };
    },
    // what this page has just done holds until the API says as much, or it is a minute ago
    settled(task) {
      const done = this.done;
      if (!done || done.id !== task.task_id || task.revision > done.revision || Date.now() > done.until) return task;
      return done.gone ? null : { ...task, ...done.change };
    },
    did(change, gone) { this.done = { id: this.current.task_id, revision: this.current.revision, change, gone, until: Date.now() + 60000 }; },
    async show(view) { this.view = view; await this.reload(); },
    async reload() { this.current = null; this.talk = null; this.tasks = []; await this.refresh(); this.$refs.list.scrollTop = 0; },
    async open(task) {
      this.current = task; this.talk = null; this.note = ""; this.again = ""; this.message = "";
      this.$nextTick(() => { const row = document.getElementById("task-" + task.task_id); if (row) row.scrollIntoView({ block: "nearest" }); });
      try {
        const talk = await this.conversation(task);
        if (this.current && this.current.task_id === task.task_id) this.talk = talk;
      } catch (error) { if (!this.trouble) this.message = error.message; }
    },
    path(step) { return "/api/v1/call-tasks/" + encodeURIComponent(this.current.task_id) + "/" + step; },
    async claim() {
      const said = await this.give(this.path("claim"), {});
      if (said) { const change = { status: said.status, claimed_by: this.name }; this.did(change); this.current = { ...this.current, ...change }; }
    },
    async log(reached) {
      if (!reached && !this.again) { this.message = this.t.calls_need_again; return; }
      const body = { reached, note: this.note.trim() };
      if (this.again) body.call_again_at = new Date(this.again).toISOString();
      const said = await this.give(this.path("call"), body);
      if (!said) return;
      const change = { status: said.status, calls: this.current.calls + 1, claimed_by: this.name };
      this.did(change); this.current = { ...this.current, ...change }; this.note = ""; this.message = this.t.calls_logged;
    },
    async resolve(outcome) { await this.settle("resolve", { outcome, note: this.note.trim() }); },
    async revisit() { await this.settle("revisit", { outcome: "", note: this.note.trim() }); },
    async settle(step, body) {
      const task = this.current;
      const said = await this.give(this.path(step), body);
      if (!said) return;
      this.did({}, true);
      const at = this.tasks.findIndex((one) => one.task_id === task.task_id);
      this.tasks = this.tasks.filter((one) => one.task_id !== task.task_id);
      const next = this.tasks[Math.min(Math.max(at, 0), this.tasks.length - 1)];
      if (next) await this.open(next); else { this.current = null; this.talk = null; }
      this.message = this.say("qc_saved", { what: this.t["task." + said.status] });
    },
    step(by) {
      const at = this.current ? this.tasks.findIndex((task) => task.task_id === this.current.task_id) : -1;
      const next = this.tasks[Math.min(Math.max(at + by, 0), this.tasks.length - 1)];
      if (next && next !== this.current) this.open(next);
    },
    key(event) {
      if (event.key === "Escape") { event.target.blur(); return; }
      if (!this.isCommand(event)) return;
      const settled = this.current && this.current.status === "resolved";
      const works = this.current && this.mayCall && this.mine && !settled;
      const does = { j: () => this.step(1), k: () => this.step(-1), ArrowDown: () => this.step(1), ArrowUp: () => this.step(-1) }[event.key]
        || (this.current && this.mayCall && !this.mine && !settled && event.key.toLowerCase() === "c" && (() => this.claim()))
        || (works && { r: () => this.log(true), n: () => this.log(false) }[event.key.toLowerCase()])
        || (works && this.outcomes[event.key - 1] && (() => this.resolve(this.outcomes[event.key - 1])));
      if (does) { event.preventDefault(); does(); }
    },
  },
};
