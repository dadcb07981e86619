// The editor of /sql: CodeMirror as NiceGUI brings it along; a plain field until it is there, and where it does not come.
export const Editor = {
  template: `
  <div class="editor" :class="{ plain: !ready }">
    <textarea v-if="!ready" ref="plain" :value="modelValue" @input="$emit('update:modelValue', $event.target.value)" @keydown.ctrl.enter.prevent="$emit('run')" @keydown.meta.enter.prevent="$emit('run')" :aria-label="label" spellcheck="false" autocomplete="off"></textarea>
    <div ref="host" v-show="ready"></div>
  </div>`,
  props: { modelValue: String, label: String, words: { type: Array, default: () => [] }, mark: { type: Object, default: null } },
  emits: ["update:modelValue", "run"],
  data() { return { ready: false }; },
  async mounted() {
    let CM;
    try { CM = await import("nicegui-codemirror"); } catch { return; }
    const sql = await CM.languages.find((language) => language.name === "SQL").load();
    if (!this.$refs.host) return; // the page has gone meanwhile
    const setMark = CM.StateEffect.define();
    const marks = CM.StateField.define({
      create: () => CM.Decoration.none,
      update(shown, change) {
        shown = change.docChanged ? CM.Decoration.none : shown;
        for (const effect of change.effects) {
          if (!effect.is(setMark)) continue;
          shown = effect.value ? CM.Decoration.set([CM.Decoration.mark({ class: "wrong" }).range(effect.value.from, effect.value.to)]) : CM.Decoration.none;
        }
        return shown;
      },
      provide: (field) => CM.EditorView.decorations.from(field),
    });
    const run = () => { this.$emit("run"); return true; };
    this.setMark = setMark;
    this.view = new CM.EditorView({
      parent: this.$refs.host,
      doc: this.modelValue,
      extensions: [
        CM.Prec.highest(CM.keymap.of([{ key: "Mod-Enter", run }, { key: "Ctrl-Enter", run }])),
        CM.basicSetup, sql, marks, CM.EditorView.lineWrapping,
        CM.syntaxHighlighting(CM.oneDarkHighlightStyle),
        CM.EditorView.theme({ "&": { height: "100%", backgroundColor: "#0c1119", color: "#eef2f9" }, ".cm-gutters": { backgroundColor: "#0c1119", color: "#8c9cb8", border: "0" }, ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "#151d2b" }, ".cm-cursor": { borderLeftColor: "#eef2f9" }, "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "#2f4a7d !important" } }, { dark: true }),
        CM.EditorView.contentAttributes.of({ "aria-label": this.label, spellcheck: "false", tabindex: "0" }),
        CM.EditorState.languageData.of(() => [{ autocomplete: this.complete }]),
        CM.EditorView.updateListener.of((update) => { if (update.docChanged) this.$emit("update:modelValue", update.state.doc.toString()); }),
      ],
    });
    this.ready = true;
  },
  unmounted() { if (this.view) this.view.destroy(); },
  watch: {
    modelValue(text) {
      if (this.view && text !== this.view.state.doc.toString()) this.view.dispatch({ changes: { from: 0, to: this.view.state.doc.length, insert: text } });
    },
    // what is wrong is told of the text that is there: an edit takes it away
    mark(mark) {
      if (!this.view) return;
      const effects = [this.setMark.of(mark && mark.to <= this.view.state.doc.length ? mark : null)];
      this.view.dispatch(mark ? { effects, selection: { anchor: mark.from }, scrollIntoView: true } : { effects });
    },
  },
  methods: {
    complete(context) {
      const word = context.matchBefore(/\w+/);
      return word || context.explicit ? { from: word ? word.from : context.pos, options: this.words, validFor: /^\w*$/ } : null;
    },
    insert(text) {
      if (this.view) { this.view.dispatch(this.view.state.replaceSelection(text)); this.view.focus(); return; }
      const field = this.$refs.plain;
      field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
      this.$emit("update:modelValue", field.value);
      field.focus();
    },
    focus() { (this.view || this.$refs.plain).focus(); },
  },
};
