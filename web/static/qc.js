// The QC desk: its two views, one at a time. They read and write by the API alone, so that they show what the API says.
import Flags from "/static/flags.js";
import Samples from "/static/samples.js";

const VIEW_KEY = "zhengdian.qc.view"; // outlives a reload, as drafts do

export default {
  template: `<component :is="view" :key="view" :texts="texts" :lang="lang" :switched="switched" @show="show"></component>`,
  components: { flags: Flags, samples: Samples },
  props: { texts: Object, lang: String },
  data() { return { view: sessionStorage.getItem(VIEW_KEY) === "samples" ? "samples" : "flags", switched: false }; },
  methods: {
    show(view) { sessionStorage.setItem(VIEW_KEY, view); this.switched = true; this.view = view; },
  },
};
