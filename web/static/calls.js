// The call desk: whom to call, the sheet of what happened, and what came of it. Reads and writes by the API alone.
import { PLACE, desk } from "/static/desk.js";
import { historied } from "/static/history.js";

const VIEWS = ["call", "revisit", "done"];

export default {
  template: `
<div class="desk calls" :data-state="state">
  <Bar :desk="self" :title="t.calls"><span class="count" role="status">{{ countText }}</span></Bar>
  <div class="columns">
    <section class="queue" :aria-label="t.calls">
      <div class="tabs"><button v-for="one in views" :key="one" :aria-pressed="view === one" @click="show(one)" :data-view="one">{{ t['calls_' + one] }}<b v-if="counts && counts[one] !== undefined"> {{ counts[one] }}</b></button></div>
      <div class="filters">
        <label><span>{{ t.calls_priority }}</span><select v-model="priority" @change="reload" data-facet="priority"><option value="">{{ t.all }}</option><option v-for="one in ['high', 'normal', 'low']" :key="one" :value="one">{{ t['priority.' + one] }}</option></select></label>
        <label class="check"><input type="checkbox" v-model="onlyMine" @change="reload"><span>{{ t.calls_mine }}</span></label>
      </div>
      <ol class="list" ref="list" role="listbox" tabindex="0" :aria-label="t.calls" :aria-activedescendant="current ? domId(current) : null">
        <li v-for="task in rows" :key="task.task_id" :id="domId(task)" role="option" :aria-selected="isCurrent(task)" :class="[task.priority, { overdue: task.overdue, later: !task.callable }]" :data-task="task.task_id" @click="open(task)">
          <b><span class="stars">{{ '★'.repeat(task.rating) }}</span> {{ t['category.' + task.category] }}</b><span class="badge">{{ t['priority.' + task.priority] }}</span>
          <span class="agent">{{ task.shop_id }}</span><time>{{ whenText(task) }}</time>
          <small v-if="task.claimed_by">{{ t['task.' + task.status] }} {{ personText(task.claimed_by) }}</small>
        </li>
      </ol>
      <button class="more" v-if="cursor" @click="nextPage" :disabled="paging">{{ t.qc_more }}<template v-if="left > 0"> · {{ say('calls_left', { n: left }) }}</template></button>
      <p class="state" role="status" v-if="!current">{{ message }}</p>
      <div class="empty" v-if="ready && !rows.length"><b>{{ t.calls_empty }}</b><p>{{ t.calls_empty_hint }}</p></div>
    </section>

    <section class="talk" :aria-label="t.qc_timeline">
      <template v-if="current">
        <h2>{{ t.qc_timeline }} <small>{{ current.shop_id }} · {{ current.buyer_id }}</small></h2>
        <TimeLine :desk="self" :talk="talk" :accused="isReview" :cited="isOrder"></TimeLine>
      </template>
      <p class="empty" v-else-if="rows.length">{{ t.qc_pick }}</p>
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
        <div v-if="current.status === 'resolved' && current.revisit_due_at"><dt>{{ t.calls_revisit_from }}</dt><dd>{{ timeText(current.revisit_due_at) }}</dd></div>
      </dl>
      <History :desk="self"></History>
      <p class="state" role="status" aria-live="polite">{{ message || stateText }}</p>
      <template v-if="mayCall && current.status !== 'withdrawn' && current.status !== 'revisited'">
        <template v-if="current.status === 'resolved'">
          <p class="note" v-if="!revisitDue">{{ t.calls_too_early }}</p>
          <label class="field"><span>{{ t.calls_note }}</span><textarea v-model="note" rows="2" maxlength="2000"></textarea></label>
          <div class="actions"><button class="dismiss" @click="revisit" :disabled="busy || !revisitDue">{{ t.calls_log_revisit }}</button></div>
        </template>
        <template v-else>
          <button class="claim" v-if="!mine" @click="claim" :disabled="busy || !canClaim">{{ t.qc_claim }} <kbd>C</kbd></button>
          <template v-if="mine || dirty">
            <p class="note" v-if="!current.callable">{{ t.calls_too_early }}</p>
            <label class="field"><span>{{ t.calls_note }}</span><textarea v-model="note" rows="2" maxlength="2000"></textarea></label>
            <label class="field"><span>{{ t.calls_again }}</span><input type="datetime-local" v-model="again"></label>
            <div class="actions"><button @click="log(true)" :disabled="busy || !canWork">{{ t.calls_reached }} <kbd>R</kbd></button><button @click="log(false)" :disabled="busy || !canWork">{{ t.calls_not_reached }} <kbd>N</kbd></button></div>
            <h3>{{ t.calls_ways }}</h3>
            <div class="actions ways"><button v-for="(one, i) in outcomes" :key="one" class="dismiss" @click="resolve(one)" :disabled="busy || !canSettle" :title="canSettle ? '' : t.calls_call_first" :data-outcome="one">{{ outcomeText(one) }} <kbd>{{ i + 1 }}</kbd></button></div>
          </template>
        </template>
      </template>
      <p class="keys">{{ mayCall ? t.calls_keys : t.keys_reading }}</p>
    </section>
  </div>
</div>`,
  mixins: [desk, historied],
  props: { outcomes: Array },
  row: { id: "task_id", status: "status", holder: "claimed_by", path: "/api/v1/call-tasks/", draft: { note: "", again: "" } },
  data() { return { counts: null, view: "call", priority: "", onlyMine: false, note: "", again: "" }; },
  computed: {
    views() { return VIEWS; },
    mayCall() { return this.may("call"); },
    isUnsettled() { return PLACE[this.current.status] < PLACE.resolved; },
    canClaim() { return this.mayCall && this.isUnsettled && !this.holder; },
    // what the counts count has no filters
    left() { return this.priority || this.onlyMine ? 0 : this.counts[this.view] - this.rows.length; },
    // a complaint is settled on the telephone
    canSettle() { return this.canWork && this.current.calls > 0; },
    // what is due is in that view, and nowhere else
    revisitDue() { return this.view === "revisit"; },
    canWork() { return this.mayCall && this.isUnsettled && this.mine; },
    countText() { return this.counts ? this.say("calls_count", { now: this.counts.now, overdue: this.counts.overdue }) : ""; },
    stateText() { return this.current.status === "open" ? "" : [this.t["task." + this.current.status], this.personText(this.holder)].filter((part) => part).join(" · "); },
  },
  methods: {
    whenText(task) { return task.callable ? this.say("calls_due_at", { at: this.timeText(task.due_at) }) : this.say("calls_from", { at: this.timeText(task.call_again_at || task.not_before) }); },
    stepText(step) {
      const kind = step.type.replace("call_task.", "");
      if (kind !== "call_logged") return [this.t["history_" + kind], step.outcome && this.outcomeText(step.outcome)].filter((part) => part).join(" · ");
      return [step.reached ? this.t.calls_reached : this.t.calls_not_reached, step.call_again_at && this.t.calls_again + " " + this.timeText(step.call_again_at)].filter((part) => part).join(" · ");
    },
    outcomeText(outcome) { return this.t["outcome." + outcome] || outcome; },
    isReview(entry) { return !!this.current && entry.type.startsWith("review.") && this.current.review_ids.includes(entry.review_id); },
    isOrder(entry) { return !!this.current && entry.type === "order.placed" && entry.order_id === this.current.order_id; },
    titleOf(task) { return this.t["category." + task.category] + " " + task.order_id; },
    belongs(task) { return this.view === "done" || (PLACE[task.status] < PLACE.resolved) === (this.view === "call") && PLACE[task.status] <= PLACE.resolved; },
    pathTo(more) {
      const query = new URLSearchParams({ view: this.view, ...more });
      if (this.priority) query.set("priority", this.priority);
      if (this.onlyMine && this.name) query.set("claimed_by", this.name);
      return "/api/v1/calls/queue?" + query;
    },
    rowsOf(page) { return page.call_tasks; },
    async load() {
      const queue = await this.read(this.pathTo({ limit: this.pageSize() }));
      return () => {
        this.counts = queue.counts; this.cursor = queue.next_cursor;
        return this.arrived(queue.call_tasks);
      };
    },
    look(task) { this.readTalk(task); this.readHistory(task); },
    async show(view) { if (view !== this.view) { this.view = view; await this.reload(); } },
    async claim() {
      const task = this.current, who = this.name;
      if (!this.canClaim) return;
      await this.give(task, "claim", {}, { status: "claimed", claimed_by: who }, (said) => {
        this.did(task, { status: said.status, claimed_by: who });
        this.noted(task, said, { type: "call_task.claimed", actor: who, time: this.nowText(task.due_at) });
      });
    },
    async log(reached) {
      const task = this.current, who = this.name;
      if (this.busy || !this.canWork) return;
      if (!reached && !this.again) { this.message = this.t.calls_need_again; return; }
      const body = { reached, note: this.note.trim() };
      if (this.again) body.call_again_at = this.instant(this.again, task.due_at);
      const aim = { status: "called", calls: task.calls + 1, claimed_by: who };
      await this.give(task, "call", body, aim, (said) => {
        this.did(task, { ...aim, status: said.status, ...(body.call_again_at && { call_again_at: body.call_again_at }) });
        this.noted(task, said, { type: "call_task.call_logged", actor: who, time: this.nowText(task.due_at), ...body });
        if (!this.isCurrent(task)) this.putDraft(task, null);
        else if (this.note.trim() === body.note) { this.note = ""; this.again = ""; } // else it has been written on meanwhile
        this.tell(task, this.t.calls_logged);
      });
    },
    async resolve(outcome) { if (this.canWork && !this.canSettle) this.message = this.t.calls_call_first; else if (this.canSettle) await this.settle("resolve", "call_task.resolved", { outcome, note: this.note.trim() }); },
    async revisit() { await this.settle("revisit", "call_task.revisited", { outcome: "", note: this.note.trim() }); },
    async settle(step, type, body) {
      const task = this.current, who = this.name;
      const aim = step === "revisit" ? { status: "revisited", claimed_by: task.claimed_by } : { status: "resolved", claimed_by: who };
      await this.give(task, step, body, aim, (said) => {
        this.did(task, { ...aim, status: said.status });
        this.noted(task, said, { type, actor: who, time: this.nowText(task.due_at), ...body });
        this.leave(task, this.say("qc_saved", { what: this.t["task." + said.status] }));
        this.putDraft(task, null);
      });
    },
    key(event) {
      if (event.key === "Escape") { event.target.blur(); return; }
      if (!this.isCommand(event)) return;
      const outcome = this.outcomes[event.key - 1];
      const does = this.moves(event) || (this.acts(event) && (
        { c: () => this.claim(), r: () => this.log(true), n: () => this.log(false) }[event.key.toLowerCase()] || (outcome && (() => this.resolve(outcome)))));
      if (does) { event.preventDefault(); does(); }
    },
  },
};
