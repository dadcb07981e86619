// A page of what one may not see: says so, with the bar to go elsewhere. It asks the API nothing.
import { Bar } from "/static/desk.js";

export default {
  components: { Bar },
  template: `
<div class="desk" data-state="forbidden">
  <Bar :desk="self" :title="name"></Bar>
  <div class="refusal" role="alert"><h2>{{ say('refused', { page: name }) }}</h2><p>{{ say('refused_hint', { roles: roles.map((role) => t['role.' + role]).join(lang === 'zh' ? '、' : ', ') }) }}</p></div>
</div>`,
  props: { texts: Object, lang: String, places: Array, me: Object, roles: Array },
  data() { return { trouble: "", failure: "", toast: "" }; },
  computed: {
    self() { return this; },
    t() { return this.texts; },
    name() { return this.t[this.places.find(([path]) => path === location.pathname)[1]]; },
  },
  mounted() { document.documentElement.lang = this.lang === "zh" ? "zh-CN" : "en"; },
  methods: { say(key, values) { return this.t[key].replace(/{(\w+)}/g, (_, name) => values[name] ?? ""); } },
};
