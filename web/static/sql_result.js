// What came of a statement: as a grid that scrolls through a hundred thousand rows, and as a chart.
const NULL = "ᴺᵁᴸᴸ"; // as ClickHouse writes it among texts
const ROWS_ZOOMED = 60;
const COLORS = ["#6fa8ff", "#ffc152", "#4bdc97", "#ff6b76", "#c58bff", "#5fd6e8", "#ff9d5c", "#b7d76a"];
const NO_FIGURE = /(^|_)(id|revision|offset|partition|rank|rating)$/;

// --- times: ClickHouse writes them in their column's zone, the page shows them in the shop's
const QUARTER_MS = 900_000; // offsets change on quarters of an hour
const formats = new Map();
const offsets = new Map();
const utc = (wall) => Date.parse(wall.replace(" ", "T") + "Z");
function offsetAt(ms, zone) {
  const quarter = Math.floor(ms / QUARTER_MS) * QUARTER_MS;
  const key = zone + quarter;
  if (!offsets.has(key)) {
    if (!formats.has(zone)) formats.set(zone, new Intl.DateTimeFormat("en-CA", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" }));
    const at = Object.fromEntries(formats.get(zone).formatToParts(quarter).map((part) => [part.type, part.value]));
    offsets.set(key, utc(`${at.year}-${at.month}-${at.day} ${at.hour}:${at.minute}:${at.second}`) - quarter);
  }
  return offsets.get(key);
}
export function wallAt(ms, zone) { return new Date(ms + offsetAt(ms, zone)).toISOString().slice(0, 19).replace("T", " "); }
// the instant in ms at which a clock of that zone shows "YYYY-MM-DD HH:MM:SS"
export function instantOf(wall, zone) {
  const at = utc(wall);
  return at - offsetAt(at - offsetAt(at, zone), zone); // it may have changed in between
}

// --- columns
function bare(type) {
  const inside = /^(?:Nullable|LowCardinality)\((.*)\)$/.exec(type);
  return inside ? bare(inside[1]) : type;
}
function kindOf(type) {
  if (/^(U?Int|Float|BFloat|Decimal)/.test(type)) return "number";
  return /^Date/.test(type) ? "time" : "text";
}
function shownTime(texts, type, zones) {
  const zone = (/'([^']+)'/.exec(type) || [])[1] || zones.server;
  const moved = type.startsWith("DateTime") && zone !== zones.shop;
  const whole = texts.every((text) => text === null || !text.includes(".") || /\.0+$/.test(text));
  return (text) => {
    if (text === null) return null;
    const at = text.indexOf(".");
    const seconds = at < 0 ? text : text.slice(0, at);
    return (moved ? wallAt(instantOf(seconds, zone), zones.shop) : seconds) + (whole || at < 0 ? "" : text.slice(at));
  };
}
// an answer in JSONCompactStrings as columns and rows of texts (null where there is none); frozen, lest Vue watches every cell
export function resultOf(answer, zones) {
  const columns = answer.meta.map((column) => ({ name: column.name, type: column.type, kind: kindOf(bare(column.type)) }));
  const rows = answer.data.map((row) => row.map((text) => (text === NULL ? null : text)));
  columns.forEach((column, at) => {
    if (column.kind !== "time") return;
    const show = shownTime(rows.map((row) => row[at]), bare(column.type), zones);
    for (const row of rows) row[at] = show(row[at]);
  });
  return Object.freeze({ columns, rows });
}
export function tsvOf(result) {
  const cell = (text) => (text === null ? "" : text.replace(/[\t\n\r]+/g, " "));
  return [result.columns.map((column) => column.name), ...result.rows].map((row) => row.map(cell).join("\t")).join("\n");
}
// a long fraction is cut for the eye, an amount has all its places; what is copied and downloaded is as ClickHouse says it
function shownNumber(text, type) {
  const places = /^Decimal\(\d+, (\d+)\)/.exec(type);
  if (places && /^-?\d+(\.\d*)?$/.test(text)) {
    const [whole, fraction = ""] = text.split(".");
    return Number(places[1]) ? whole + "." + fraction.padEnd(Number(places[1]), "0") : whole;
  }
  return /^-?\d+\.\d{5,}$/.test(text) ? String(Number(Number(text).toPrecision(6))) : text;
}
function byNumber(a, b) { return a === null || b === null ? (a === null) - (b === null) : Number(a) - Number(b); }

export const Grid = {
  template: `<div class="grid" ref="host"></div>`,
  props: { result: Object, t: Object },
  async mounted() {
    this.lib = await import("nicegui-aggrid");
    this.lib.ModuleRegistry.registerModules([this.lib.AllCommunityModule]);
    this.draw();
  },
  unmounted() { if (this.api) this.api.destroy(); },
  watch: { result() { this.draw(); } },
  methods: {
    draw() {
      if (!this.lib || !this.$refs.host) return;
      if (this.api) this.api.destroy();
      const { columns, rows } = this.result;
      const number = { colId: "row", headerName: "#", width: 70, pinned: "left", sortable: false, resizable: false, cellClass: "row-number", valueGetter: (cell) => cell.node.rowIndex + 1 };
      this.api = this.lib.createGrid(this.$refs.host, {
        columnDefs: [number, ...columns.map((column, at) => this.columnOf(column, at))],
        rowData: rows,
        defaultColDef: { resizable: true, suppressMovable: false, minWidth: 60, maxWidth: 520, suppressHeaderMenuButton: true },
        theme: this.lib.themeQuartz.withPart(this.lib.colorSchemeDark).withParams({ backgroundColor: "#10151f", foregroundColor: "#eef2f9", headerBackgroundColor: "#18202e", borderColor: "#2c394f", oddRowBackgroundColor: "#141b27", accentColor: "#6fa8ff", fontFamily: "inherit", fontSize: 14, rowHeight: 32, headerHeight: 36, spacing: 5 }),
        enableCellTextSelection: true,
        animateRows: false,
        suppressFieldDotNotation: true,
        localeText: { noRowsToShow: this.t.sql_no_rows },
        autoSizeStrategy: { type: "fitCellContents" },
      });
    },
    columnOf(column, at) {
      const figure = column.kind === "number";
      return {
        colId: String(at), headerName: column.name, headerTooltip: column.type, type: figure ? "rightAligned" : undefined, comparator: figure ? byNumber : undefined,
        valueGetter: (cell) => cell.data[at],
        valueFormatter: (cell) => (cell.value === null ? "NULL" : figure ? shownNumber(cell.value, bare(column.type)) : cell.value),
        cellClass: (cell) => [column.kind, figure ? "ag-right-aligned-cell" : "", cell.value === null ? "null" : ""],
        tooltipValueGetter: (cell) => (cell.value !== null && cell.value.length > 40 ? cell.value : null),
      };
    },
  },
};

// --- chart: what to draw at first; figures of the same place and group are added up
export function guess(result) {
  const { columns, rows } = result;
  const of = (kind) => columns.map((column, at) => ({ ...column, at })).filter((column) => column.kind === kind);
  const figures = of("number").filter((column) => !NO_FIGURE.test(column.name));
  const distinct = (column) => new Set(rows.map((row) => row[column.at])).size === rows.length;
  const texts = [...of("text")].sort((a, b) => /_id$/.test(a.name) - /_id$/.test(b.name));
  const x = of("time")[0] || texts.find(distinct) || texts[0] || of("number").find((column) => !figures.length || column.at !== figures[0].at);
  if (!x || !figures.length || !rows.length) return null;
  const groups = of("text").filter((column) => column.at !== x.at);
  return { x: x.at, y: [(figures.find((column) => column.at !== x.at) || figures[0]).at], group: !distinct(x) && groups.length ? groups[0].at : -1, kind: x.kind === "time" ? "line" : "bar" };
}
// Names stand below their bars, each of them: cut in the middle, and slanted where there is no room side by side. As many bars are shown at
// first as there is room for names; the slider has the others. What was cut is told at the pointer.
const LABEL = { side: 80, apart: 22, longest: 130, slant: 45, wide: 13, narrow: 7.5 };
const widthOf = (text) => [...text].reduce((sum, sign) => sum + (sign.charCodeAt(0) > 0x2e7f ? LABEL.wide : LABEL.narrow), 0);
// names often begin alike and differ at the end
export function cut(text, wide = LABEL.longest) {
  const signs = [...text];
  if (widthOf(text) <= wide) return text;
  let kept = signs.length - 1;
  const parts = () => signs.slice(0, Math.ceil(kept / 2)).join("").trimEnd() + "…" + signs.slice(signs.length - Math.floor(kept / 2)).join("").trimStart();
  while (kept > 2 && widthOf(parts()) > wide) kept -= 1;
  return parts();
}
function namesOf(places, width) {
  const room = Math.max(width - LABEL.side, LABEL.apart);
  const shown = Math.max(1, Math.min(places.length, Math.floor(room / LABEL.apart)));
  const each = room / shown, longest = Math.min(Math.max(0, ...places.map(widthOf)), LABEL.longest);
  const slanted = longest > each - 8;
  const label = { interval: 0, hideOverlap: true, rotate: slanted ? LABEL.slant : 0, formatter: (text) => cut(text) };
  // a slanted name ends below its bar and begins left of it
  return { shown, label, left: slanted ? Math.max(12, longest * Math.SQRT1_2 - each / 2 - 30) : 12 };
}
export function optionOf(result, chosen, width = 900) {
  const { columns, rows } = result;
  const places = [...new Set(rows.map((row) => row[chosen.x] ?? "NULL"))];
  if (columns[chosen.x].kind === "time") places.sort();
  if (columns[chosen.x].kind === "number") places.sort((a, b) => a - b);
  const place = new Map(places.map((text, at) => [text, at]));
  const series = new Map();
  for (const row of rows) {
    for (const y of chosen.y) {
      const group = chosen.group >= 0 ? (row[chosen.group] ?? "NULL") + (chosen.y.length > 1 ? " · " + columns[y].name : "") : columns[y].name;
      if (!series.has(group)) series.set(group, new Array(places.length).fill(null));
      const at = place.get(row[chosen.x] ?? "NULL");
      if (row[y] !== null) series.get(group)[at] = series.get(group)[at] + Number(row[y]);
    }
  }
  const names = columns[chosen.x].kind === "time" ? { shown: ROWS_ZOOMED, label: {}, left: 12 } : namesOf(places, width);
  const zoomed = places.length > names.shown;
  const quiet = { axisLine: { lineStyle: { color: "#4a5f88" } }, axisLabel: { color: "#b3c0d6", hideOverlap: true }, splitLine: { lineStyle: { color: "#2c394f" } } };
  return {
    color: COLORS, animation: false,
    tooltip: { trigger: "axis", renderMode: "richText", confine: true, backgroundColor: "#18202e", borderColor: "#4a5f88", textStyle: { color: "#eef2f9" } },
    legend: { type: "scroll", top: 0, textStyle: { color: "#eef2f9" }, pageTextStyle: { color: "#b3c0d6" }, pageIconColor: "#6fa8ff" },
    grid: { left: names.left, right: 20, top: 40, bottom: zoomed ? 52 : 12, containLabel: true },
    xAxis: { type: "category", data: places, ...quiet, axisLabel: { ...quiet.axisLabel, ...names.label } },
    yAxis: { type: "value", ...quiet },
    dataZoom: zoomed ? [{ type: "slider", bottom: 8, height: 24, textStyle: { color: "#b3c0d6" }, showDetail: false }, { type: "inside" }].map((one) => (names.label.rotate === undefined ? one : { ...one, startValue: 0, endValue: names.shown - 1 })) : [],
    series: [...series].map(([name, data]) => ({ name, data, type: chosen.kind, connectNulls: chosen.kind === "line", showSymbol: places.length <= ROWS_ZOOMED })),
  };
}

export const Chart = {
  template: `
  <div class="chart">
    <div class="choose">
      <label><span>{{ t.sql_x }}</span><select v-model.number="chosen.x" data-choose="x"><option v-for="(column, at) in result.columns" :key="at" :value="at">{{ column.name }}</option></select></label>
      <fieldset class="ys"><legend>{{ t.sql_y }}</legend><label v-for="one in figures" :key="one.at"><input type="checkbox" :value="one.at" v-model="chosen.y" data-choose="y"> {{ one.name }}</label></fieldset>
      <label><span>{{ t.sql_group }}</span><select v-model.number="chosen.group" data-choose="group"><option :value="-1">{{ t.sql_no_group }}</option><option v-for="(column, at) in result.columns" :key="at" :value="at">{{ column.name }}</option></select></label>
      <label><span>{{ t.sql_kind }}</span><select v-model="chosen.kind" data-choose="kind"><option value="line">{{ t.sql_line }}</option><option value="bar">{{ t.sql_bar }}</option></select></label>
    </div>
    <div class="drawing" ref="host" role="img" :aria-label="label" :data-series="drawn"></div>
  </div>`,
  props: { result: Object, t: Object, start: Object },
  data() { return { chosen: { ...this.start, y: [...this.start.y] }, drawn: 0 }; },
  computed: {
    figures() { return this.result.columns.map((column, at) => ({ ...column, at })).filter((column) => column.kind === "number"); },
    label() { return this.chosen.y.map((at) => this.result.columns[at].name).join(", ") + " / " + this.result.columns[this.chosen.x].name; },
  },
  async mounted() {
    this.lib = (await import("nicegui-echart")).echarts;
    if (!this.$refs.host) return;
    this.picture = this.lib.init(this.$refs.host);
    this.sized = new ResizeObserver(() => { this.picture.resize(); if (this.picture.getWidth() !== this.width) this.draw(); });
    this.sized.observe(this.$refs.host);
    this.draw();
  },
  unmounted() { if (this.picture) { this.sized.disconnect(); this.picture.dispose(); } },
  watch: { chosen: { deep: true, handler() { this.draw(); } } },
  methods: {
    draw() {
      if (!this.picture) return;
      this.width = this.picture.getWidth();
      const option = optionOf(this.result, this.chosen, this.width);
      this.picture.setOption({ ...option, textStyle: { fontFamily: getComputedStyle(this.$refs.host).fontFamily } }, { notMerge: true });
      this.drawn = option.series.length;
    },
  },
};
