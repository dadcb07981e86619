// QC's sample: conversations in which no rule has found anything, to be read all the same (web/samples.py, web/commands.py).
import { PLACE } from "/static/desk.js";
import { review } from "/static/review.js";

export default {
  template: `
<div class="desk samples" :data-state="state">
  <Bar :desk="self" :title="t.qc"><span class="count" role="status">{{ countText }}</span></Bar>

  <div class="columns">
    <section class="queue" :aria-label="t['qc_view.samples']">
      <ListHead :desk="self"></ListHead>
      <ol class="list" ref="list" role="listbox" tabindex="0" :aria-label="t['qc_view.samples']" :aria-activedescendant="current ? domId(current) : null">
        <li v-for="sample in rows" :key="sample.sample_id" :id="domId(sample)" role="option" :aria-selected="isCurrent(sample)" :data-sample="sample.sample_id" @click="open(sample)">
          <b>{{ agentText(sample) }}</b><span class="badge">{{ say('samples_rounds', { n: sample.rounds }) }}</span>
          <span class="agent">{{ sample.shop_id }}</span><time :datetime="sample.first_at">{{ timeText(sample.first_at) }}</time>
          <small v-if="sample.qc_status !== 'open'">{{ t['samples_status.' + sample.qc_status] }} {{ personText(sample.qc_actor) }}</small>
        </li>
      </ol>
      <ListFoot :desk="self"></ListFoot>
    </section>

    <section class="talk" :aria-label="t.qc_timeline">
      <template v-if="current">
        <h2>{{ t.qc_timeline }} <small>{{ current.shop_id }} · {{ current.buyer_id }}</small></h2>
        <TimeLine :desk="self" :talk="talk" :accused="isNone" :cited="isSampled"></TimeLine>
      </template>
      <p class="empty" v-else-if="rows.length">{{ t.qc_pick }}</p>
    </section>

    <section class="verdict" v-if="current" :aria-label="t['qc_view.samples']">
      <h2>{{ agentText(current) }} <span class="badge">{{ t['qc_view.samples'] }}</span></h2>
      <p class="why">{{ say('samples_why', { agent: agentText(current), day: current.day }) }}</p>
      <History :desk="self"></History>
      <Sheet :desk="self" ref="sheet"></Sheet>
    </section>
  </div>
</div>`,
  mixins: [review],
  row: { id: "sample_id", status: "qc_status", holder: "qc_actor", path: "/api/v1/qc/samples/", draft: { marks: {}, reason: "", coaching: "" } },
  view: { name: "samples", words: "samples", list: "/api/v1/qc/samples", counts: "/api/v1/qc/samples/counts", rows: "samples", facets: ["shop_id", "agent_id", "team", "day", "qc_status"], at: "first_at", first: "dismissed", explained: "upheld" },
  computed: {
    isUnjudged() { return PLACE[this.current.qc_status] < PLACE.upheld; },
    stateText() { return this.current.qc_status === "flagged" ? this.t.samples_flagged : review.computed.stateText.call(this); },
  },
  methods: {
    titleOf(sample) { return this.agentText(sample) + " " + this.timeText(sample.first_at); },
    // --- the transcript: nothing is accused, the agent's own words of that day are pointed at
    isNone() { return false; },
    isSampled(entry) { return !!this.current && entry.type === "chat.message" && entry.sender === "agent" && entry.agent_id === this.current.agent_id && entry.time.slice(0, 10) === this.current.day; },
  },
};
