// The QC desk: its three views, one at a time. They read and write by the API alone, so that they show what the API says.
import Flags from "/static/flags.js";
import Precision from "/static/precision.js";
import Samples from "/static/samples.js";

const VIEWS = { flags: Flags, samples: Samples, precision: Precision };
// the view of the row to which a link leads
const linked = () => Object.keys(VIEWS).find((name) => new URLSearchParams(location.search).has(name.slice(0, -1) + "_id"));
const VIEW_KEY = "zhengdian.qc.view"; // outlives a reload, as drafts do

export default {
  template: `<component :is="view" :key="view" v-bind="$props" :switched="switched" @show="show"></component>`,
  components: VIEWS,
  props: { texts: Object, lang: String, places: Array },
  data() { return { view: Object.keys(VIEWS).find((name) => name === (linked() || sessionStorage.getItem(VIEW_KEY))) || "flags", switched: false }; },
  methods: {
    show(view) { sessionStorage.setItem(VIEW_KEY, view); this.switched = true; this.view = view; },
  },
};
