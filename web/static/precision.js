// How often each rule is right, as far as its flags have been judged: all rules, the third view of the QC desk (web/qc.py).
import { desk } from "/static/desk.js";
import { Tabs } from "/static/review.js";

export default {
  components: { Tabs },
  template: `
<div class="desk precision" :data-state="state">
  <Bar :desk="self" :title="t.qc"></Bar>
  <div class="narrow">
    <Tabs :desk="self"></Tabs>
    <p class="note">{{ t.precision_about }}</p>
    <p class="empty" v-if="!ready && !trouble && !failure">{{ t.loading }}</p>
    <table v-if="rows.length">
      <caption>{{ t['qc_view.precision'] }}</caption>
      <thead><tr><th scope="col">{{ t.qc_rule }}</th><th scope="col" v-for="one in ['raised', 'judged', 'upheld', 'precision']" :key="one" :title="t['precision_hint.' + one]">{{ t['precision_' + one] }}</th></tr></thead>
      <tbody><tr v-for="row in rows" :key="row.rule" :data-rule="row.rule">
        <th scope="row">{{ t['rule.' + row.rule] || row.rule }}</th><td>{{ count(row.raised) }}</td><td>{{ count(row.judged) }}</td><td>{{ count(row.upheld) }}</td>
        <td class="share" :title="row.judged ? '' : t.precision_none"><template v-if="row.judged"><span class="track" aria-hidden="true"><i :style="{ width: row.precision * 100 + '%' }"></i></span>{{ Math.round(row.precision * 100) }}%</template><small v-else>{{ t.precision_none }}</small></td>
      </tr></tbody>
    </table>
  </div>
</div>`,
  mixins: [desk],
  emits: ["show"],
  props: { switched: Boolean },
  row: { id: "rule", path: "/api/v1/qc/precision/", draft: {} },
  view: { name: "precision" },
  mounted() { if (this.switched) this.$el.querySelector(".tabs [aria-pressed=true]").focus(); },
  methods: {
    count(n) { return n.toLocaleString("en-US"); },
    async load() {
      const { rules } = await this.read("/api/v1/qc/precision");
      return () => { this.rows = rules; };
    },
    key() {},
  },
};
